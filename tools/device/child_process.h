// A program that runs beside this one for a long time, and writes into a file.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fovea {

struct ChildStart {
  std::vector<std::string> command;  // command[0] is a file
  std::filesystem::path output;      // what it prints, on stdout and stderr, goes behind what the file holds
  std::map<std::string, std::string> environment;  // variables that it has otherwise; empty: that it has not
};

struct ChildEnd {
  int exit_code = -1;  // where it ended by itself; 127: a file that is no program
  int signal = 0;      // that ended it
};

// It ends when this process ends. A signal of the terminal reaches both.
class ChildProcess {
 public:
  // Throws Error(Runtime) where the output cannot be written, or no process be made.
  explicit ChildProcess(const ChildStart& start);
  // Kills it where it runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // How it has ended; none: it runs. Does not wait.
  const std::optional<ChildEnd>& ended();
  // A signal where it runs.
  void signal(int number);

 private:
  int pid_ = -1;
  std::optional<ChildEnd> end_;
};

}  // namespace fovea
