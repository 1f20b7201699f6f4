// What this program runs on, in words.
#pragma once
#include <string>

namespace fovea {

std::string cpu_name();  // "unknown" where the system does not say

// Build, CPU, libraries, GPUs: lines for people.
std::string machine_text();

}  // namespace fovea
