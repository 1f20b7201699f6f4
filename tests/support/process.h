// Runs the program as a user does: arguments, what it prints, its exit code.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace fovea::test {

struct ProcessResult {
  int exit_code = -1;  // 128 + signal where a signal ended it
  std::string out, err;
  int64_t peak_memory = 0;  // bytes
};

// Starts FOVEA_BINARY with these arguments; or a shell with a script, in which "$0" "$@" is that call.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments, const std::string& script = "");
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number) const;
  bool running();
  ProcessResult wait();

 private:
  bool ended(int options);

  int pid_ = -1, status_ = 0;
  int64_t peak_memory_ = 0;
  bool waited_ = false;
  std::string out_path_, err_path_;
};

std::string fovea_path();  // FOVEA_BINARY

inline ProcessResult run_fovea(const std::vector<std::string>& arguments, const std::string& script = "") {
  return Process(arguments, script).wait();
}

}  // namespace fovea::test
