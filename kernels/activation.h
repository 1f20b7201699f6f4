// Point-wise kernels. T is float or bfloat16; arithmetic is in fp32, one rounding to T at the end. Outputs may be their
// own inputs (same address); otherwise buffers do not overlap. n = 0 is allowed everywhere.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/device/queue.h"

namespace fovea::kernels {

template <class T>
void relu_forward(Queue& queue, int64_t n, const T* x, T* y);  // y = max(x, 0); NaN stays NaN

// dx (+)= dy, but 0 where y <= 0. y: the output (or, as well, the input) of the ReLU.
template <class T>
void relu_backward(Queue& queue, int64_t n, const T* y, const T* dy, T* dx, bool accumulate);

template <class T>
void add(Queue& queue, int64_t n, const T* a, const T* b, T* y);  // y = a + b
template <class T>
void add_relu(Queue& queue, int64_t n, const T* a, const T* b, T* y);  // y = max(a + b, 0)
template <class T>
void add_into(Queue& queue, int64_t n, const T* x, T* y);  // y += x

// y[row, column] = x[row, column] + bias[column]
template <class T>
void bias_forward(Queue& queue, int64_t rows, int64_t columns, const T* x, const float* bias, T* y);

template <class T>
void sigmoid(Queue& queue, int64_t n, const T* x, T* y);  // y = 1 / (1 + e^−x)

// fp32 <-> bf16 (round to nearest even), uint8 -> fp32.
template <class From, class To>
void cast(Queue& queue, int64_t n, const From* x, To* y);

// The backward pass of y = relu(conv + bias), one pass over dy [rows, columns]: dy = 0 where y <= 0, in place; and what
// its columns sum up to is left in `sums`, in parts. fold_bias_sums() makes the bias gradient of these, for all levels
// of a head in one launch:  dbias[column] (+)= Σ_levels Σ_row dy[row, column], of dy as stored. Sums are in fp64 in a
// fixed order: same bits for any number of threads.
template <class T>
void relu_bias_backward(Queue& queue, int64_t rows, int64_t columns, const T* y, T* dy, double* sums);
size_t bias_sums_bytes(int64_t rows, int64_t columns);  // of `sums`

struct BiasSums {
  const double* sums;
  int64_t rows;  // that they are of
};
// At most kMaxLevels.
void fold_bias_sums(Queue& queue, const std::vector<BiasSums>& levels, int64_t columns, float* dbias, bool accumulate);

}  // namespace fovea::kernels
