// Learning-rate schedules: a function of the step.
#pragma once
#include <cstdint>
#include <vector>

namespace fovea {

struct Schedule {
  enum class Kind : uint8_t { Constant, Steps, Cosine } kind = Kind::Steps;
  double base = 0.01;
  int reference_batch = 0;  // the batch that `base` is meant for: others scale it in proportion; 0: any
  int64_t total_steps = 90000;
  int64_t warmup_steps = 1000;
  double warmup_factor = 0.001;     // of the base at step 0; linear up to 1
  std::vector<int64_t> milestones;  // Steps: × gamma at each
  double gamma = 0.1;
  double final_factor = 0.0;  // Cosine: of the base at the last step

  // The base of batches of this size (Goyal et al. 2017: in proportion to the batch).
  double base_for(int batch) const { return reference_batch > 0 ? base * batch / reference_batch : base; }
  // The learning rate of step `step`, counted from 0.
  double at(int64_t step) const;
};

}  // namespace fovea
