// How far a run is: a bar that redraws itself on a terminal, plain lines at a modest rate elsewhere.
#pragma once
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>

#include "tools/report/pace.h"
#include "tools/text/stop.h"

namespace fovea {

struct ProgressOptions {
  FILE* out = stdout;
  std::optional<bool> terminal;     // none: as `out` is
  bool lines = true;                // away from a terminal: plain lines at a modest rate; else nothing
  std::function<double()> seconds;  // a clock; none: the steady clock
  const char *unit = "step", *rate = "images/s";
};

// What works for long shows, besides its results: a bar on stderr where that is a terminal.
inline ProgressOptions on_stderr(const char* unit) { return {.out = stderr, .lines = false, .unit = unit}; }

// Whether escape codes may be written there. A rank of Open MPI has a terminal of its own, whose text mpirun may be
// writing to a file: it gets lines.
bool is_terminal(FILE* out);

// On a terminal says on stderr what goes on, while this lives.
class StatusLine {
 public:
  explicit StatusLine(const std::string& text);
  ~StatusLine();
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

 private:
  bool shown_;
};

// "1:05" or "2:03:04".
std::string format_duration(double seconds);

// Output that cannot be written (a closed pipe) throws ErrorKind::Interrupted, so that a run can save and end without
// noise. With SIGPIPE at its default the process has ended before that, as quietly.
class Progress {
 public:
  // `done` of `total` steps are behind already, as after --resume.
  Progress(int64_t total, int64_t done, const ProgressOptions& options = {});
  ~Progress() { line_is_open = false; }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // After each step: the steps done in all, the loss if there is one, the images of this step; and its seconds where
  // they are not those since the last update (none: not known).
  void update(int64_t step, std::optional<double> loss, int64_t images);
  void update(int64_t step, std::optional<double> loss, int64_t images, std::optional<double> seconds);
  // A line of its own, above the bar.
  void message(const std::string& text);
  // What lies between this call and the last update does not count as time of steps.
  void restart_clock();
  // Takes the bar away until the next update: for what others print there.
  void clear();
  // Leaves the last state standing as a line.
  void finish();

 private:
  std::string status() const;
  std::string bar(int width) const;
  void draw();
  void write(const std::string& text);

  int64_t total_, step_;
  std::optional<double> loss_;
  Pace pace_;
  FILE* out_;
  const char *unit_, *rate_;
  bool terminal_, lines_, drawn_ = false;
  std::function<double()> seconds_;
  StepClock clock_;
  double last_draw_;
};

}  // namespace fovea
