// What each of cuDNN's plans for a layer takes, for when a layer is slower than it should be: `fovea bench
// --time-plans`.
#pragma once
#include <string>
#include <vector>

#include "engine/context.h"

namespace fovea {

struct PlanTimes {
  kernels::ConvShape shape;  // of the layer
  struct Time {
    kernels::ConvPass pass;
    kernels::ConvPlanTime of;
  };
  double tflop_per_second(const Time& time) const;  // 0: it did not run
  std::vector<Time> times;
  std::string table() const;
  std::string json() const;
};

// `layers`: of a training step; of those of that name (a weight's, without ".weight") the one with the largest output,
// in its three passes, the first `most` plans of each. Throws Error(Usage) where there is no such layer, or no GPU.
PlanTimes time_plans(Context& context, const std::vector<ConvTrace>& layers, const std::string& name, int most);

}  // namespace fovea
