// Ctrl-C, SIGTERM, and an output that nobody reads any more: when a program ends on them, and what it says.
#pragma once
#include <atomic>
#include <cstdint>

namespace fovea {

// Set by SIGINT and SIGTERM while an Unbroken lives: the work under way is brought to a clean end, and
// Error(Interrupted) thrown.
extern std::atomic<bool> stop_requested;

// Whether a line on the terminal has no end yet: what a signal's last words begin with.
extern std::atomic<bool> line_is_open;

// From now on SIGINT and SIGTERM end the program with one line and exit code 130, SIGPIPE without the line; the second
// SIGINT ends it whatever it does. Call it once, when the program starts.
void catch_stop_signals();

// Throws Error(Interrupted) where a stop was requested.
void end_if_stopped();

// While one lives, the first signal waits: files are written to their end, and what asks for stop_requested decides
// where to end. Where nothing did, the program ends with the last of them.
class Unbroken {
 public:
  Unbroken();
  ~Unbroken();
  Unbroken(const Unbroken&) = delete;
  Unbroken& operator=(const Unbroken&) = delete;
};

// How often the program has gone on after it was stopped (Ctrl-Z, SIGSTOP): clocks leave such pauses out.
uint64_t times_continued();

}  // namespace fovea
