// What this program runs on, in words.
#pragma once
#include <string>

namespace fovea {

// Build, CPU, libraries, GPUs: lines for people.
std::string machine_text();

}  // namespace fovea
