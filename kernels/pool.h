// Max pooling over NHWC images, kernel 3 or 2 (VGG's), stride 2.
#pragma once
#include <cstdint>

#include "kernels/device/queue.h"

namespace fovea::kernels {

struct PoolShape {
  int batch = 1;
  int in_h = 0, in_w = 0;
  int channels = 0;
  int kernel = 3;  // 3: stride 2, pad 1 (ResNet's stem); 2: stride 2, no pad

  constexpr int pad() const { return kernel == 3 ? 1 : 0; }
  constexpr int out_h() const { return (in_h + 2 * pad() - kernel) / 2 + 1; }
  constexpr int out_w() const { return (in_w + 2 * pad() - kernel) / 2 + 1; }
  int64_t input_count() const { return int64_t{batch} * in_h * in_w * channels; }
  int64_t output_count() const { return int64_t{batch} * out_h() * out_w() * channels; }
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
