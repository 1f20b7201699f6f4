#include "tools/device/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "engine/printable.h"
#include "kernels/error.h"

namespace fovea {
namespace {

// The environment of this process, changed.
std::vector<std::string> changed_environment(const std::map<std::string, std::string>& changes) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    if (!changes.contains(text.substr(0, text.find('=')))) variables.push_back(text);
  }
  for (const auto& [name, value] : changes)
    if (!value.empty()) variables.push_back(fmt::format("{}={}", name, value));
  return variables;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// While one lives, signals wait: between fork and exec the child would answer them with this program's handlers, and
// they would be lost on the program that it becomes.
class SignalsWait {
 public:
  SignalsWait() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsWait() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsWait(const SignalsWait&) = delete;
  SignalsWait& operator=(const SignalsWait&) = delete;

  // In the child: as it is after exec.
  void end_in_child() const {
    for (int number = 1; number < NSIG; ++number) {
      struct sigaction action{};
      if (sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) signal(number, SIG_DFL);
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t before_;
};

// The child's side, after fork: nothing here allocates.
[[noreturn]] void become_program(char* const* words, char* const* variables, int output, int parent,
                                 const SignalsWait& signals) {
  signals.end_in_child();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // it ended before that was asked for
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execve(words[0], words, variables);
  _exit(127);
}

}  // namespace

ChildProcess::ChildProcess(const ChildStart& start) {
  const int output = open(start.output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (output < 0)
    throw Error(ErrorKind::Runtime,
                fmt::format("{}: cannot be written: {}", printable(start.output.native()), std::strerror(errno)));
  std::vector<std::string> words = start.command, variables = changed_environment(start.environment);
  const std::vector<char*> word_pointers = pointers_to(words), variable_pointers = pointers_to(variables);
  const int self = getpid();
  {
    const SignalsWait signals;
    pid_ = fork();
    if (pid_ == 0) become_program(word_pointers.data(), variable_pointers.data(), output, self, signals);
  }
  const int reason = errno;  // of fork: what restores the signals leaves it as it is
  close(output);
  if (pid_ < 0) throw Error(ErrorKind::Runtime, fmt::format("no process can be started: {}", std::strerror(reason)));
}

ChildProcess::~ChildProcess() {
  if (end_) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

const std::optional<ChildEnd>& ChildProcess::ended() {
  int status = 0;
  if (!end_ && waitpid(pid_, &status, WNOHANG) == pid_) {
    end_.emplace();
    if (WIFEXITED(status)) end_->exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) end_->signal = WTERMSIG(status);
  }
  return end_;
}

void ChildProcess::signal(int number) {
  if (!ended()) kill(pid_, number);
}

}  // namespace fovea
