// Optimizer steps over the flat fp32 buffers of all parameters, in one launch, with PyTorch's semantics.
#pragma once
#include <cstdint>

#include "kernels/device/queue.h"
#include "kernels/launch/dtype.h"

namespace fovea::kernels {

// Elements [begin, end) of the flat buffers share these settings. Elements in no segment (frozen, padding) stay
// untouched.
struct ParamSegment {
  int64_t begin = 0, end = 0;
  float lr_scale = 1;
  float weight_decay = 0;
  // Where the parameter is kept as convolutions take it too, working[k] = p[begin + k]·scale[k / per_channel], written
  // by the step that changes p; then begin is a multiple of 16 and `working`, in the step's working_type, aligned to 16
  // bytes.
  void* working = nullptr;
  const float* scale = nullptr;  // nullptr: 1
  int64_t per_channel = 0;       // < 2^31 elements in such a parameter
};

// What every optimizer takes. All pointers are device memory, so that a recorded step sees new values.
struct OptimizerStep {
  int64_t n = 0;  // elements in the flat buffers
  const ParamSegment* segments = nullptr;
  int segment_count = 0;  // sorted by begin, disjoint
  float* params = nullptr;
  const float* grads = nullptr;
  const float* lr = nullptr;          // [1]
  const float* grad_scale = nullptr;  // [1] from guard_step, or nullptr: 1
  const int32_t* skip = nullptr;      // [1] nonzero: nothing is done (a gradient is not finite); nullptr: never
  DType working_type = DType::F32;    // of the segments' working forms: F32 or BF16
};

// g = grad_scale·grad + weight_decay·p;  buffer = momentum·buffer + g;  p −= lr·(nesterov ? g + momentum·buffer :
// buffer) `momentum_buffer` starts as zeros (which makes the first step PyTorch's); nullptr where momentum is 0.
void sgd_step(Queue& queue, const OptimizerStep& step, float* momentum_buffer, float momentum, bool nesterov);

struct AdamWSettings {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;  // fp64: 1 − beta2 in fp32 would be 3e-5 off
};

// p −= lr·weight_decay·p;  m, v = running means of g, g²;  p −= lr·m̂ / (sqrt(v̂) + eps)   (Loshchilov & Hutter 2019)
// `steps_done` [1]: device memory, starts at 0 like m and v, and is counted up by the call (not when skipped).
void adamw_step(Queue& queue, const OptimizerStep& step, float* m, float* v, int64_t* steps_done,
                const AdamWSettings& settings);

// What decides about a step before it is taken. All pointers are device memory.
struct StepGuard {
  const double* sum_of_squares = nullptr;          // [1] of the gradients
  const float* losses[2] = {nullptr, nullptr};     // [1] each, or nullptr
  float max_norm = 0;                              // <= 0: no clipping
  int32_t non_finite_limit = 0;                    // steps that may be skipped
  float* scale = nullptr;                          // [1]
  int32_t *skip = nullptr, *non_finite = nullptr;  // [1] each; non_finite counts up from 0, nullptr: not counted
};

// scale = min(1, max_norm / (sqrt(sum_of_squares) + 1e-6)), as clip_grad_norm_.
// skip = 1 where a gradient or a loss is not finite, and for all steps after more than `non_finite_limit` of these: the
// host learns of them later than the device.
void guard_step(Queue& queue, const StepGuard& guard);

// average += (1 − decay)·(params − average), where `skip` (nullptr: never) is 0.
void ema(Queue& queue, int64_t n, float decay, const float* params, const int32_t* skip, float* average);

}  // namespace fovea::kernels
