// How fast steps go on: what their clock leaves out, and their speed of late.
#pragma once
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>

namespace fovea {

// The steady clock, in seconds.
double steady_seconds();

// Cuts time into steps. What is no work of theirs is left out: saving, validation, and pauses of the whole program.
class StepClock {
 public:
  explicit StepClock(std::function<double()> seconds = {});

  // The seconds since the last step, or since the clock was made; none where the program was stopped (SIGSTOP) in
  // between: nobody knows for how long.
  std::optional<double> step();
  // What lies between the two is left out.
  void pause();
  void go_on();

 private:
  std::function<double()> seconds_;
  double last_, paused_ = 0;
  uint64_t continued_;
};

// Seconds a step and images a second over the last 20 seconds, steps weighing the less the longer ago they were. The
// first steps count only until there are others: they make plans, read files for the first time, and are slow.
class Pace {
 public:
  void add(double seconds, int64_t steps, int64_t images);

  double seconds_per_step() const { return steps_ > 0 ? seconds_ / steps_ : 0; }
  double images_per_second() const { return seconds_ > 0 ? images_ / seconds_ : 0; }

 private:
  double seconds_ = 0, steps_ = 0, images_ = 0;
  int groups_ = 0;
};

}  // namespace fovea
