// The optimizer over the flat buffers of a ParameterStore: clipping, the check for non-finite gradients and the step
// itself are a handful of launches, and nothing waits for the host.
#pragma once
#include <initializer_list>
#include <vector>

#include "engine/parameters.h"
#include "kernels/device/host_memory.h"

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
  double ema_decay = 0;  // of the moving average of the weights; 0: there is none
};

inline constexpr const char* kAverageState = "ema";  // of Optimizer::state()

class Optimizer {
 public:
  Optimizer(Context& context, ParameterStore& store, const OptimizerConfig& config);

  // Of the steps enqueued from now on. Waits for nothing but the upload before the last; not while the queue records.
  void set_learning_rate(double rate);
  // Steps that may be skipped because they are not finite (any number, if not set); after more every step is skipped.
  void set_non_finite_limit(int64_t steps);
  // Clips and steps, and moves the average. Where a gradient or one of at most two losses (fp32 [1]) is not finite
  // nothing changes, and skipped() tells.
  void step(std::initializer_list<Tensor> losses = {});

  // Read back, which waits for the queue.
  double gradient_norm() const;  // before clipping
  bool skipped() const;
  // The same where they lie: fp64 [1] as bytes, the square of the norm; int32 [1] as bytes.
  const Tensor& sum_of_squares() const { return sum_of_squares_; }
  const Tensor& skip_flag() const { return skip_; }

  // The moving average, where there is one, is the weights as they are now.
  void restart_average();
  // Exchanges the weights with their moving average, where there is one.
  void swap_average();

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
  int32_t non_finite_limit_ = INT32_MAX;
  Tensor segments_, learning_rate_, sum_of_squares_, grad_scale_, skip_, non_finite_, steps_;
  Tensor average_;  // also in state_
  std::vector<State> state_;
  UploadBuffers rate_upload_;
};

// As long as this lives the weights are their moving average, where there is one.
class AveragedWeights {
 public:
  explicit AveragedWeights(Optimizer& optimizer) : optimizer_(optimizer) { optimizer_.swap_average(); }
  ~AveragedWeights();
  AveragedWeights(const AveragedWeights&) = delete;
  AveragedWeights& operator=(const AveragedWeights&) = delete;

 private:
  Optimizer& optimizer_;
};

}  // namespace fovea
