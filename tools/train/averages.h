// What steps came to since the last line of the log, and how long they took: each its own time, whenever its result was
// read.
#pragma once
#include <fmt/format.h>

#include <cmath>
#include <deque>
#include <optional>
#include <string>

#include "tools/report/pace.h"
#include "tools/train/step.h"

namespace fovea {

// How long each step took. Results are read a step late, or two at once; so the time is taken where a step is enqueued,
// which waits for the one before.
class StepTimes {
 public:
  struct Time {
    std::optional<double> seconds;  // none: the program stood in between, for nobody knows how long
    bool cold;                      // of the first steps, which make plans and record
  };

  void start() { clock_ = StepClock(); }
  void enqueued() { seconds_.push_back(clock_.step()); }
  // What lies between the two (validation, saving) is no time of steps.
  void pause() { clock_.pause(); }
  void go_on() { clock_.go_on(); }
  // Of the oldest step of which this was not asked yet.
  Time next() {
    const Time time{seconds_.front(), taken_++ < kCold};
    seconds_.pop_front();
    return time;
  }

 private:
  static constexpr int64_t kCold = 2;
  StepClock clock_;
  std::deque<std::optional<double>> seconds_;
  int64_t taken_ = 0;
};

struct Averages {
  struct Timed {
    double images = 0, seconds = 0;
    void add(int more, double time) {
      images += more;
      seconds += time;
    }
    double rate() const { return images / seconds; }
  };
  double classification = 0, box = 0, norm = 0;
  int64_t positives = 0, steps = 0, images = 0;
  Timed warm{}, all{};

  void add(const StepResult& r, int batch, const StepTimes::Time& time) {
    classification += r.classification;
    box += r.box;
    norm += r.gradient_norm;
    positives += r.positives;
    images += batch;
    ++steps;
    if (!time.seconds) return;
    all.add(batch, *time.seconds);
    if (!time.cold) warm.add(batch, *time.seconds);
  }
  // Of the cold steps only where there are no others; NaN where no step's time is known.
  double images_per_second() const { return (warm.images > 0 ? warm : all).rate(); }

  // The line of the log, after `step` steps, `epoch` times through the data.
  std::string line(int64_t step, double epoch, double rate) const {
    const auto mean = [&](double sum) {
      const double value = sum / static_cast<double>(steps);
      return std::isfinite(value) ? fmt::format("{:.7g}", value) : std::string("null");
    };
    const double speed = images_per_second();
    const std::string images_a_second = std::isfinite(speed) ? fmt::format("{:.3f}", speed) : std::string("null");
    return fmt::format(
        R"({{"step":{},"epoch":{:.4f},"loss":{},"classification":{},"box":{},"learning_rate":{:.8g},"gradient_norm":{},"positives_per_image":{:.2f},"images_per_second":{}}})",
        step, epoch, mean(classification + box), mean(classification), mean(box), rate, mean(norm),
        static_cast<double>(positives) / static_cast<double>(images), images_a_second);
  }
};

}  // namespace fovea
