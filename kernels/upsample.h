// Nearest-neighbor upsampling to any size, added to the lateral connection (FPN, Lin et al. 2017, figure 3).
#pragma once
#include <cmath>

#include "kernels/device/queue.h"
#include "kernels/launch/function.h"

namespace fovea::kernels {

struct UpsampleShape {
  int batch = 1;
  int in_h = 0, in_w = 0;    // of the coarse level
  int out_h = 0, out_w = 0;  // of the lateral
  int channels = 0;
};

// Which row or column of `in` the d-th of `out` is copied from.
FOVEA_HD int upsample_source(int d, int in, int out) {
  const int s = static_cast<int>(std::floor(d * (static_cast<float>(in) / static_cast<float>(out))));
  return s < in ? s : in - 1;
}

// y = lateral + upsample(coarse), with F.interpolate(size=…, mode="nearest")'s source index, floor(dst · in / out) in
// fp32. lateral and y are [batch, out_h, out_w, channels] and may be one buffer; lateral == nullptr: only upsampled.
template <class T>
void upsample_add(Queue& queue, const UpsampleShape& shape, const T* coarse, const T* lateral, T* y);

// dcoarse (+)= Σ of dy over the pixels that an element was copied to. (The lateral's gradient is dy itself.)
template <class T>
void upsample_backward(Queue& queue, const UpsampleShape& shape, const T* dy, T* dcoarse, bool accumulate);

}  // namespace fovea::kernels
