// What this machine has for Fovea, what is missing, and what would mend that.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tools/device/machine_facts.h"

namespace fovea {

// Missing: something else does the work, or nobody needs it. Broken: what is there cannot be used.
enum class Mark : uint8_t { Ok, NotNeeded, Slow, Missing, Broken };
const char* name_of(Mark mark);  // "ok", "not needed", …

struct Finding {
  std::string what;  // "cuDNN"
  Mark mark = Mark::Ok;
  std::string text, mend;  // a line each; mend: a command, or what else to do; empty where nothing is to be done
};

// The CPU's first, then those of files and output, then the GPU's.
std::vector<Finding> findings_of(const MachineFacts& facts);

}  // namespace fovea
