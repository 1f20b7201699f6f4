// Ctrl-C, SIGTERM, a closed terminal, and an output that nobody reads any more: when a program ends on them, and what
// it says.
#pragma once
#include <atomic>
#include <cstdint>

#include "kernels/interrupt.h"  // IWYU pragma: export

namespace fovea {

// Whether a line on the terminal has no end yet: what a signal's words begin with.
extern std::atomic<bool> line_is_open;

// From now on SIGINT, SIGTERM and SIGHUP (unless it is ignored, as under nohup) end the program with one line and exit
// code 130, SIGPIPE without the line. Call it once, when the program starts.
void catch_stop_signals();

// While one lives, a signal sets stop_requested (kernels/interrupt.h) and writes `answer` at once, if there is one:
// files are written to their end, and what asks for stop_requested decides where to end. Where nothing did, the program
// ends with the last of them. What comes within a second after the first is taken for the same one, as launchers and
// terminals send several; the next ends the program whatever it does.
class Unbroken {
 public:
  explicit Unbroken(const char* answer = nullptr);  // a line, which outlives this
  ~Unbroken();
  Unbroken(const Unbroken&) = delete;
  Unbroken& operator=(const Unbroken&) = delete;

 private:
  const char* outer_answer_;
};

// How often the program has gone on after it was stopped (Ctrl-Z, SIGSTOP): clocks leave such pauses out.
uint64_t times_continued();

}  // namespace fovea
