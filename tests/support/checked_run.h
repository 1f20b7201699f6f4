// The program, run with a note of what it said for the assertions that follow.
#pragma once
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace fovea::test {

inline ProcessResult run(const std::vector<std::string>& arguments, const std::string& script = "") {
  const auto result = run_fovea(arguments, script);
  UNSCOPED_INFO(fmt::format("fovea {}\n{}{}", fmt::join(arguments, " "), result.out, result.err));
  return result;
}

inline void check_runs(const std::vector<std::string>& arguments) { REQUIRE(run(arguments).exit_code == 0); }

inline void check_fails(int exit_code, const std::vector<std::string>& arguments, const std::string& words) {
  const auto result = run(arguments);
  CHECK(result.exit_code == exit_code);
  CHECK_THAT(result.err, Catch::Contains(words));
}

}  // namespace fovea::test
