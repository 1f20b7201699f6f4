#include "tools/text/stop.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <exception>

#include "kernels/error.h"

namespace fovea {

std::atomic<bool> line_is_open = false;

namespace {

constexpr int64_t kSecond = 1'000'000'000;  // nanoseconds

std::atomic<int> unbroken = 0;
std::atomic<const char*> answer_to_stop = nullptr;
std::atomic<int64_t> first_at = 0;  // nanoseconds; 0: no signal yet
std::atomic<uint64_t> continued = 0;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<const char*>::is_always_lock_free &&
                  std::atomic<int64_t>::is_always_lock_free,
              "signal handlers use them");

// These are fit for a signal handler.
void say(const char* line) {
  const char end_of_line = '\n';
  if (line_is_open && write(STDERR_FILENO, &end_of_line, 1) < 0) return;  // nobody reads it
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line, std::strlen(line));
}

int64_t nanoseconds() {  // never 0
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec + 1;
}

[[noreturn]] void end_at_once() { _exit(static_cast<int>(ErrorKind::Interrupted)); }

void on_stop(int /*number*/) {
  const int errno_before = errno;
  const int64_t now = nanoseconds();
  int64_t first = 0;
  if (first_at.compare_exchange_strong(first, now)) {
    if (unbroken == 0) {
      say("fovea: interrupted\n");
      end_at_once();
    }
    stop_requested = true;
    if (const char* answer = answer_to_stop) say(answer);
  } else if (now - first >= kSecond) {
    end_at_once();
  }
  errno = errno_before;
}

void on_closed_output(int /*number*/) {
  if (unbroken == 0) end_at_once();  // else the call that wrote fails
}

void catch_signal(int number, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGINT);
  sigaddset(&action.sa_mask, SIGTERM);
  sigaddset(&action.sa_mask, SIGHUP);
  sigaction(number, &action, nullptr);
}

}  // namespace

void catch_stop_signals() {
  catch_signal(SIGINT, on_stop);
  catch_signal(SIGTERM, on_stop);
  struct sigaction hang_up{};
  const bool ignored = sigaction(SIGHUP, nullptr, &hang_up) == 0 && hang_up.sa_handler == SIG_IGN;  // nohup
  if (!ignored) catch_signal(SIGHUP, on_stop);
  catch_signal(SIGPIPE, on_closed_output);
  catch_signal(SIGCONT, [](int) { ++continued; });
}

Unbroken::Unbroken(const char* answer) : outer_answer_(answer_to_stop) {
  if (answer != nullptr) answer_to_stop = answer;
  ++unbroken;
}

Unbroken::~Unbroken() {
  answer_to_stop = outer_answer_;
  if (--unbroken > 0) return;
  if (std::uncaught_exceptions() > 0) {
    // The program ends, and has to say why. A launcher that sees another rank end first sends a signal meanwhile.
    int64_t none = 0;
    first_at.compare_exchange_strong(none, nanoseconds());
    return;
  }
  if (!stop_requested) return;
  say("fovea: interrupted\n");
  end_at_once();
}

uint64_t times_continued() { return continued; }

}  // namespace fovea
