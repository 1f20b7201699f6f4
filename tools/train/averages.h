// What steps came to since the last line of the log.
#pragma once
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <string>

#include "tools/train/step.h"

namespace fovea {

struct Averages {
  double classification = 0, box = 0, norm = 0;
  int64_t positives = 0, steps = 0, images = 0;
  std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();

  void add(const StepResult& r, int batch) {
    classification += r.classification;
    box += r.box;
    norm += r.gradient_norm;
    positives += r.positives;
    images += batch;
    ++steps;
  }
  double images_per_second() const {
    return static_cast<double>(images) /
           std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
  }

  // The line of the log, after `step` steps, `epoch` times through the data.
  std::string line(int64_t step, double epoch, double rate) const {
    const auto mean = [&](double sum) {
      const double value = sum / static_cast<double>(steps);
      return std::isfinite(value) ? fmt::format("{:.7g}", value) : std::string("null");
    };
    return fmt::format(
        R"({{"step":{},"epoch":{:.4f},"loss":{},"classification":{},"box":{},"learning_rate":{:.8g},"gradient_norm":{},"positives_per_image":{:.2f},"images_per_second":{:.3f}}})",
        step, epoch, mean(classification + box), mean(classification), mean(box), rate, mean(norm),
        static_cast<double>(positives) / static_cast<double>(images), images_per_second());
  }
};

}  // namespace fovea
