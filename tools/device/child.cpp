#include "tools/device/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "kernels/error.h"

namespace fovea {
namespace {

using Clock = std::chrono::steady_clock;

// How often the child is looked after; and how long after it was killed: one that the driver holds may never be gone.
constexpr int kLookMilliseconds = 10;
constexpr std::chrono::seconds kAfterKill{2};

[[noreturn]] void fail(const char* what) {
  throw Error(ErrorKind::Runtime, fmt::format("{}: {}", what, std::strerror(errno)));
}

// The child's side, after fork: nothing here allocates.
[[noreturn]] void become(char* const* words, int output) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execv(words[0], words);
  _exit(127);
}

class Child {
 public:
  explicit Child(const std::vector<std::string>& command) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe2");
    output_ = ends[0];
    fcntl(output_, F_SETFL, O_NONBLOCK);  // of this end alone: the child waits until there is room
    std::vector<char*> words;
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) become(words.data(), ends[1]);
    const int reason = errno;
    close(ends[1]);
    errno = reason;
    if (pid_ < 0) {
      close(output_);
      fail("fork");
    }
  }
  ~Child() { close(output_); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Reads what it writes until it has ended, or the time is over.
  bool ended_by(Clock::time_point deadline, ChildResult& result) {
    int status = 0;
    do {
      pollfd wait{output_, POLLIN, 0};
      if (open_)
        poll(&wait, 1, kLookMilliseconds);
      else
        poll(nullptr, 0, kLookMilliseconds);
      const pid_t changed = waitpid(pid_, &status, WNOHANG);
      if (changed < 0 &&
          errno == ECHILD)  // SIGCHLD is ignored, or somebody else in this process waits for all children
        throw Error(ErrorKind::Runtime, "how a program ended cannot be seen: this process does not keep its children");
      const bool ended = changed == pid_;
      read_into(result.output);
      if (!ended) continue;
      if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
      if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
      return true;
    } while (Clock::now() < deadline);
    return false;
  }
  void kill() const { ::kill(pid_, SIGKILL); }

 private:
  void read_into(std::string& text) {
    char buffer[4096];
    for (ssize_t got = 1; open_ && got > 0;) {
      got = read(output_, buffer, sizeof(buffer));
      if (got > 0) text.append(buffer, static_cast<size_t>(got));
      open_ = got != 0;
    }
  }

  int pid_ = -1, output_ = -1;
  bool open_ = true;  // its end of the pipe
};

}  // namespace

ChildResult run_child(const std::vector<std::string>& command, std::chrono::milliseconds limit) {
  Child child(command);
  ChildResult result;
  if (child.ended_by(Clock::now() + limit, result)) return result;
  result.timed_out = true;
  child.kill();
  ChildResult killed;
  child.ended_by(Clock::now() + kAfterKill, killed);
  result.output += killed.output;
  return result;
}

}  // namespace fovea
