// How a program of Fovea is started to run the smoke (smoke.h): the only place below the command line that knows it.
#pragma once
#include <string>
#include <vector>

namespace fovea {

inline std::vector<std::string> smoke_command(const std::string& program) { return {program, "info", "--smoke"}; }

}  // namespace fovea
