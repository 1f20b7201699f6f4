#include "tools/report/pace.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "tools/text/stop.h"

namespace fovea {
namespace {
constexpr double kMemory = 20;    // seconds over which speeds are averaged
constexpr double kAtOnce = 1e-3;  // seconds: what is closer together, as images of one batch, was one piece of work
constexpr int kColdGroups = 2;    // such pieces that are slower than those to come
}  // namespace

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

StepClock::StepClock(std::function<double()> seconds)
    : seconds_(seconds ? std::move(seconds) : steady_seconds), last_(seconds_()), continued_(times_continued()) {}

std::optional<double> StepClock::step() {
  const double now = seconds_(), elapsed = now - last_;
  last_ = now;
  const uint64_t continued = times_continued();
  const bool stopped = std::exchange(continued_, continued) != continued;
  return stopped ? std::nullopt : std::optional(elapsed);
}

void StepClock::pause() { paused_ = seconds_(); }
void StepClock::go_on() { last_ += seconds_() - paused_; }

void Pace::add(double seconds, int64_t steps, int64_t images) {
  if (seconds >= kAtOnce && groups_ <= kColdGroups + 1) ++groups_;
  const bool replaces = seconds >= kAtOnce && groups_ > 1 && groups_ <= kColdGroups + 1;
  const double kept = replaces ? 0 : std::exp(-std::max(seconds, 0.0) / kMemory);
  seconds_ = kept * seconds_ + seconds;
  steps_ = kept * steps_ + static_cast<double>(steps);
  images_ = kept * images_ + static_cast<double>(images);
}

}  // namespace fovea
