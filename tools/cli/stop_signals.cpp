#include "tools/cli/stop_signals.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>

#include "kernels/interrupt.h"

namespace fovea {
namespace {

constexpr int64_t kSecond = 1'000'000'000;  // nanoseconds

const char* answer_to_first = nullptr;
std::atomic<int64_t> first_at = 0;  // nanoseconds; 0: none yet

// Of what is called here and in the handler, all may be called in one.
void say(const char* line) {
  if (line == nullptr) return;
  const char before = '\n';                                                        // below the bar
  if (isatty(STDERR_FILENO) != 0 && write(STDERR_FILENO, &before, 1) < 0) return;  // nobody reads it
  if (write(STDERR_FILENO, line, std::strlen(line)) < 0) return;
}

void on_stop_signal(int /*number*/) {
  const int errno_before = errno;
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  const int64_t now = time.tv_sec * kSecond + time.tv_nsec + 1;
  int64_t first = 0;
  if (first_at.compare_exchange_strong(first, now)) {
    stop_requested = true;
    say(answer_to_first);
  } else if (now - first >= kSecond) {
    _exit(static_cast<int>(ErrorKind::Interrupted));
  }
  errno = errno_before;
}

}  // namespace

void catch_stop_signals(const char* answer) {
  answer_to_first = answer;
  struct sigaction action{};
  action.sa_handler = on_stop_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGINT);
  sigaddset(&action.sa_mask, SIGTERM);
  for (const int number : {SIGINT, SIGTERM}) sigaction(number, &action, nullptr);
}

}  // namespace fovea
