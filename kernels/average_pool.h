// Average pooling over NHWC images: 3×3, stride 1, padded by 1 with zeros that count (Inception's).
#pragma once
#include <cstdint>

#include "kernels/device/queue.h"

namespace fovea::kernels {

struct AveragePoolShape {
  int batch = 1;
  int height = 0, width = 0;  // of input and output
  int channels = 0;
  int64_t rows() const { return int64_t{batch} * height * width; }
  int64_t count() const { return rows() * channels; }
};

// y (+)= the average of nine pixels. It is its own backward pass: dx (+)= average_pool(dy).
template <class T>
void average_pool(Queue& queue, const AveragePoolShape& shape, const T* x, T* y, bool accumulate);

}  // namespace fovea::kernels
