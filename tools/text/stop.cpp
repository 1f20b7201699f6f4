#include "tools/text/stop.h"

#include <unistd.h>

#include <csignal>
#include <exception>

#include "kernels/error.h"

namespace fovea {

std::atomic<bool> stop_requested = false, line_is_open = false;

namespace {

std::atomic<int> unbroken = 0;
std::atomic<uint64_t> continued = 0;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free &&
                  std::atomic<uint64_t>::is_always_lock_free,
              "signal handlers use them");

// Fit for a signal handler.
[[noreturn]] void end_at_once(bool say) {
  const char text[] = "\nfovea: interrupted\n";
  if (say) {
    const size_t first = line_is_open ? 0 : 1;
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text + first, sizeof(text) - 1 - first);
  }
  _exit(static_cast<int>(ErrorKind::Interrupted));
}

void on_stop(int signal) {
  if (unbroken == 0) end_at_once(/*say=*/true);
  stop_requested = true;
  std::signal(signal, SIG_DFL);  // the second one ends the program at once
}

void on_closed_output(int) {
  if (unbroken == 0) end_at_once(/*say=*/false);  // else the call that wrote fails
}

}  // namespace

void catch_stop_signals() {
  std::signal(SIGINT, on_stop);
  std::signal(SIGTERM, on_stop);
  std::signal(SIGPIPE, on_closed_output);
  std::signal(SIGCONT, [](int) { ++continued; });
}

void end_if_stopped() {
  if (stop_requested) throw Error(ErrorKind::Interrupted, "interrupted");
}

Unbroken::Unbroken() { ++unbroken; }
Unbroken::~Unbroken() {
  if (--unbroken == 0 && stop_requested && std::uncaught_exceptions() == 0) end_at_once(/*say=*/true);
}

uint64_t times_continued() { return continued; }

}  // namespace fovea
