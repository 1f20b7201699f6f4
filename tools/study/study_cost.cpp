#include "tools/study/study_cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/retinanet.h"
#include "model/trace.h"

namespace fovea {

namespace {

std::string about(double seconds) {
  if (seconds < 90) return fmt::format("{:.0f} s", std::max(1.0, seconds));
  return seconds < 5400 ? fmt::format("{:.0f} min", seconds / 60) : fmt::format("{:.1f} h", seconds / 3600);
}

}  // namespace

double macs_of_image(const Config& config) {
  const int short_side = config.input.short_side.back(), multiple = config.input.pad_to;
  const auto padded = [&](int side) { return (side + multiple - 1) / multiple * multiple; };
  const int long_side = std::min(config.input.long_side, short_side * 4 / 3);
  Context context(DeviceKind::Cpu, Precision::F32);
  RetinaNet model(context, config.model, std::nullopt);
  double macs = 0;
  for (const ConvTrace& layer :
       traced_layers(context, model, {1, padded(short_side), padded(long_side), 3}, /*training=*/true))
    macs += static_cast<double>(layer.shape.macs());
  return macs;
}

double macs_of_steps(const Config& config, double macs, int64_t steps) {
  constexpr double kPasses = 3;  // forward, and the gradients of inputs and of weights
  return kPasses * macs * static_cast<double>(steps * config.train.batch);
}

double macs_of_training(const Config& config, double macs, size_t val_images) {
  const int64_t steps = config.train.steps, every = config.train.eval_every > 0 ? config.train.eval_every : steps;
  const int64_t validations = (steps + every - 1) / every;  // one is at the end
  return macs_of_steps(config, macs, steps) + macs * static_cast<double>(validations) * static_cast<double>(val_images);
}

double seconds_of_all(const std::vector<double>& seconds, int jobs) {
  std::vector<double> free_at(static_cast<size_t>(jobs));
  for (const double each : seconds) *std::min_element(free_at.begin(), free_at.end()) += each;
  return *std::max_element(free_at.begin(), free_at.end());
}

std::string cost_text(const std::vector<double>& seconds, int jobs) {
  const auto [least, most] = std::minmax_element(seconds.begin(), seconds.end());
  const std::string shortest = about(*least), longest = about(*most);
  const bool alike = *most < 1.2 * *least || shortest == longest;
  return fmt::format("{} training{} of about {}{}, {} at a time: about {}", seconds.size(),
                     seconds.size() == 1 ? "" : "s", alike ? "" : shortest + " to ", longest, jobs,
                     about(seconds_of_all(seconds, jobs)));
}

}  // namespace fovea
