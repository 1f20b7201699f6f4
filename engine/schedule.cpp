#include "engine/schedule.h"

#include <algorithm>
#include <cmath>

namespace fovea {

double Schedule::at(int64_t step) const {
  double factor = 1;
  if (kind == Kind::Steps) {
    for (const int64_t milestone : milestones)
      if (step >= milestone) factor *= gamma;
  } else if (kind == Kind::Cosine) {  // Loshchilov & Hutter 2017, eq. 5, after the warm-up
    const auto span = static_cast<double>(std::max<int64_t>(1, total_steps - warmup_steps));
    const double progress = std::clamp(static_cast<double>(step - warmup_steps) / span, 0.0, 1.0);
    factor = final_factor + (1 - final_factor) * 0.5 * (1 + std::cos(3.141592653589793 * progress));
  }
  if (step < warmup_steps) {
    const double progress = static_cast<double>(step) / static_cast<double>(warmup_steps);
    factor *= warmup_factor + (1 - warmup_factor) * progress;
  }
  return base * factor;
}

}  // namespace fovea
