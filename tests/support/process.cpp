#include "tests/support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace fovea::test {

namespace {

std::string temporary_file() {
  std::string name = (std::filesystem::temp_directory_path() / "fovea_out_XXXXXX").string();
  const int file = mkstemp(name.data());
  if (file < 0) throw std::runtime_error("mkstemp failed for " + name);
  close(file);
  return name;
}

std::string take_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  std::filesystem::remove(path);
  return text;
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, const std::string& script)
    : out_path_(temporary_file()), err_path_(temporary_file()) {
  std::vector<std::string> words;
  if (!script.empty()) words = {"/bin/sh", "-c", script};
  words.emplace_back(FOVEA_BINARY);
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    const int out = open(out_path_.c_str(), O_WRONLY | O_TRUNC), err = open(err_path_.c_str(), O_WRONLY | O_TRUNC);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
}

Process::~Process() {
  if (waited_) return;
  ::kill(pid_, SIGKILL);
  wait();
}

void Process::signal(int number) const { ::kill(pid_, number); }

bool Process::ended(int options) {
  rusage used{};
  if (wait4(pid_, &status_, options, &used) != pid_) return false;
  peak_memory_ = int64_t{used.ru_maxrss} << 10;
  return true;
}

bool Process::running() {
  if (!waited_) waited_ = ended(WNOHANG);
  return !waited_;
}

ProcessResult Process::wait() {
  if (!waited_) ended(0);
  waited_ = true;
  const int code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  return {code, take_text(out_path_), take_text(err_path_), peak_memory_};
}

std::string fovea_path() { return FOVEA_BINARY; }

}  // namespace fovea::test
