// How far a run is: a bar that redraws itself on a terminal, plain lines at a modest rate elsewhere.
#pragma once
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>

namespace fovea {

struct ProgressOptions {
  FILE* out = stdout;
  std::optional<bool> terminal;     // none: as `out` is
  std::function<double()> seconds;  // a clock; none: the steady clock
  const char* unit = "step";
};

// "1:05" or "2:03:04".
std::string format_duration(double seconds);

// Output that cannot be written (a closed pipe) throws ErrorKind::Interrupted, so that a run can save and end without
// noise. With SIGPIPE at its default the process has ended before that, as quietly.
class Progress {
 public:
  // `done` of `total` steps are behind already, as after --resume.
  Progress(int64_t total, int64_t done, const ProgressOptions& options = {});

  // After each step: the steps done in all, the loss if there is one, the images of this step.
  void update(int64_t step, std::optional<double> loss, int64_t images);
  // A line of its own, above the bar.
  void message(const std::string& text);
  // What lies between this call and the last update (validation, saving) does not count as time of steps.
  void restart_clock();
  // Leaves the last state standing as a line.
  void finish();

 private:
  std::string status() const;
  std::string bar(int width) const;
  void draw();
  void write(const std::string& text);

  int64_t total_, step_;
  std::optional<double> loss_;
  double seconds_per_step_ = 0, images_per_second_ = 0;
  FILE* out_;
  const char* unit_;
  bool terminal_, drawn_ = false;
  std::function<double()> seconds_;
  double last_update_, last_draw_;
};

}  // namespace fovea
