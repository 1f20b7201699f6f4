// The command line of a benchmark.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace fovea::bench {

struct Option {
  enum Rule { Any, Required, Positive, NotNegative };

  const char* name;
  std::variant<bool*, int*, int64_t*, uint64_t*, std::string*, std::vector<std::string>*> value;  // bool: a flag
  const char* help = "";
  Rule rule = Any;
  std::vector<std::string> choices;  // the only values, where there are any
};

// Reads the options, then calls run(); an error becomes one line. The return value is the exit status.
int command(int argc, char** argv, const char* description, const std::vector<Option>& options,
            const std::function<void()>& run);

}  // namespace fovea::bench
