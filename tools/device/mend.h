// The commands that install what is missing, in the way of this machine's system.
#pragma once
#include <string>

#include "tools/device/machine_facts.h"

namespace fovea {

// A package of the distribution's own.
std::string install_package(const MachineFacts& facts, const std::string& package);
// One of "cuDNN", "cuBLASLt", "NVRTC", "NCCL".
std::string install_library(const MachineFacts& facts, const std::string& library);
std::string install_driver(const MachineFacts& facts);
std::string build_with_cuda(const MachineFacts& facts);

}  // namespace fovea
