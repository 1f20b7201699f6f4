// A program that may crash or hang without harm to this one.
#pragma once
#include <chrono>
#include <string>
#include <vector>

namespace fovea {

struct ChildResult {
  int exit_code = -1;      // where it ended by itself
  int signal = 0;          // that ended it
  bool timed_out = false;  // the limit was over, and it was killed
  std::string output;      // what it wrote, on stdout and stderr
};

// Runs command[0], a file, with the other words as its arguments. It ends when this process ends. Throws Error(Runtime)
// where no process can be made; a file that is no program: exit code 127.
ChildResult run_child(const std::vector<std::string>& command, std::chrono::milliseconds limit);

}  // namespace fovea
