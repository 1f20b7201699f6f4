// Optimiser steps over the flat fp32 buffers of all parameters, in one launch, with PyTorch's semantics.
#pragma once
#include <cstdint>

#include "kernels/queue.h"

namespace fovea::kernels {

// Elements [begin, end) of the flat buffers share these settings. Elements in no segment (frozen, padding) stay
// untouched.
struct ParamSegment {
  int64_t begin = 0, end = 0;
  float lr_scale = 1;
  float weight_decay = 0;
};

// What every optimiser takes. All pointers are device memory, so that a recorded step sees new values.
struct OptimizerStep {
  int64_t n = 0;  // elements in the flat buffers
  const ParamSegment* segments = nullptr;
  int segment_count = 0;  // sorted by begin, disjoint
  float* params = nullptr;
  const float* grads = nullptr;
  const float* lr = nullptr;          // [1]
  const float* grad_scale = nullptr;  // [1] from clip_scale, or nullptr: 1
  const int32_t* skip = nullptr;      // [1] nonzero: nothing is done (a gradient is not finite); nullptr: never
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

// scale = min(1, max_norm / (sqrt(sum_of_squares) + 1e-6)), as clip_grad_norm_; max_norm <= 0: 1 (no clipping).
// `skip` (nullable) = 1 where sum_of_squares is not finite, else 0.
void clip_scale(Queue& queue, const double* sum_of_squares, float max_norm, float* scale, int32_t* skip);

// average += (1 − decay)·(params − average)
void ema(Queue& queue, int64_t n, float decay, const float* params, float* average);

}  // namespace fovea::kernels
