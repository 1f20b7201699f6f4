// The optimiser over the flat buffers of a ParameterStore: clipping, the check for non-finite gradients and the step
// itself are a handful of launches, and nothing waits for the host.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "engine/module.h"
#include "kernels/optimizer.h"

namespace fovea {

struct OptimizerConfig {
  enum class Kind : uint8_t { Sgd, AdamW } kind = Kind::Sgd;
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 1e-4;
  bool decay_norm_and_bias = true;  // false: only convolution weights decay
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double clip_norm = 0;  // global gradient norm; 0: no clipping
  double backbone_lr_scale = 1;
};

class Optimizer {
 public:
  Optimizer(Context& context, ParameterStore& store, const OptimizerConfig& config);

  // Writes the learning rate of the coming step to the device.
  void set_learning_rate(double rate);
  // Clips and steps. Where a gradient is not finite nothing changes, and skipped() tells.
  void step();

  // Read back, which waits for the queue.
  double gradient_norm() const;  // before clipping
  bool skipped() const;

  struct State {
    const char* name;
    Tensor tensor;
  };  // flat, like the store's trained values; for checkpoints
  const std::vector<State>& state() const { return state_; }
  int64_t steps_done() const;  // AdamW's own count
  void set_steps_done(int64_t steps);

 private:
  Context& context_;
  ParameterStore& store_;
  OptimizerConfig config_;
  int segment_count_ = 0;
  Tensor segments_, learning_rate_, sum_of_squares_, grad_scale_, skip_, steps_;
  std::vector<State> state_;
};

}  // namespace fovea
