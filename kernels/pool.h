// Pooling over NHWC images.
#pragma once
#include <cstdint>

#include "kernels/device/queue.h"

namespace fovea::kernels {

// Maxima, with stride 2: 3×3 padded (ResNet's stem), 3×3 (Inception), 2×2 (VGG).
struct PoolShape {
  int batch = 1;
  int in_h = 0, in_w = 0;
  int channels = 0;
  int kernel = 3, pad = 1;  // 3 and 1 or 0, 2 and 0

  constexpr int out_h() const { return windows(in_h); }
  constexpr int out_w() const { return windows(in_w); }
  int64_t input_count() const { return int64_t{batch} * in_h * in_w * channels; }
  int64_t output_count() const { return int64_t{batch} * out_h() * out_w() * channels; }

 private:
  constexpr int windows(int size) const { return size + 2 * pad < kernel ? 0 : (size + 2 * pad - kernel) / 2 + 1; }
};

// y = the largest of the window; NaN wins, as in PyTorch. `argmax` [like y] receives which tap it was (the first in
// scan order among equals), for the backward pass; nullptr where there will be none.
template <class T>
void max_pool_forward(Queue& queue, const PoolShape& shape, const T* x, T* y, uint8_t* argmax);

// dx (+)= Σ of dy over the windows whose maximum the element was. All of dx is written.
template <class T>
void max_pool_backward(Queue& queue, const PoolShape& shape, const uint8_t* argmax, const T* dy, T* dx,
                       bool accumulate);

}  // namespace fovea::kernels
