// Group normalization (Wu & He 2018) over NHWC images, fused with the ReLU that follows it. PyTorch's semantics: each
// image's channels are split into `groups` neighboring runs; the biased variance of a run over all pixels normalizes.
#pragma once
#include <cstdint>

#include "kernels/device/queue.h"

namespace fovea::kernels {

struct GroupNormShape {
  int images = 1;
  int64_t pixels = 0;  // H·W
  int channels = 0;    // a multiple of groups
  int groups = 32;
};

template <class T>
struct GroupNormForward {
  GroupNormShape shape;
  const T* x = nullptr;                           // [images, pixels, channels]
  const float *gamma = nullptr, *beta = nullptr;  // [channels]
  float eps = 1e-5f;
  bool relu = false;
  T* y = nullptr;                                        // may be x, where there is no backward pass
  float *saved_mean = nullptr, *saved_invstd = nullptr;  // [images, groups], for the backward pass
};
template <class T>
void group_norm_forward(Queue& queue, const GroupNormForward<T>& args);

template <class T>
struct GroupNormBackward {
  GroupNormShape shape;
  const T* x = nullptr;
  const T* y = nullptr;   // the output, whose sign is the ReLU's mask; nullptr: there was no ReLU
  const T* dy = nullptr;  // of y
  const float *gamma = nullptr, *saved_mean = nullptr, *saved_invstd = nullptr;
  T* dx = nullptr;  // may be dy
  bool accumulate_dx = false;
  float *dgamma = nullptr, *dbeta = nullptr;
  bool accumulate_parameters = false;  // dgamma += and dbeta += (a head shared by the levels)
};
template <class T>
void group_norm_backward(Queue& queue, const GroupNormBackward<T>& args);

}  // namespace fovea::kernels
