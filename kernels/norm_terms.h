// What batch norm and group norm add up down the columns: the terms of column_reduce.h.
#pragma once
#include "kernels/pack.h"

namespace fovea::kernels {

// Σx and Σx², in fp64, where x² is exact.
template <class T>
struct Moments {
  static constexpr int kSums = 2;
  using Sum = double;
  const T* x;
  int64_t columns;
  template <int W>
  FN void operator()(int64_t row, int64_t column, double (&sums)[kSums][W]) const {
    const auto in = load_pack<W>(x + row * columns + column);
    for (int k = 0; k < W; ++k) {
      const double value = static_cast<float>(in[k]);
      sums[0][k] += value;
      sums[1][k] += value * value;
    }
  }
};

// The gradient of element i of y before the ReLU.
template <bool MASK, int W, class T>
FN Pack<float, W> masked_gradient(const T* y, const T* dy, int64_t i) {
  const auto gradient = load_pack<W>(dy + i);
  Pack<float, W> out;
  if constexpr (MASK) {
    const auto output = load_pack<W>(y + i);
    for (int k = 0; k < W; ++k) out[k] = output[k] <= 0 ? 0.f : static_cast<float>(gradient[k]);
  } else {
    for (int k = 0; k < W; ++k) out[k] = gradient[k];
  }
  return out;
}

// Σg and Σ g·x̂.
template <class T, bool MASK>
struct GradientMoments {
  static constexpr int kSums = 2;
  using Sum = float;
  const T *x, *y, *dy;
  const float *mean, *invstd;  // [segments, columns]
  int64_t columns, rows;       // rows: a segment
  template <int W>
  FN void operator()(int64_t row, int64_t column, float (&sums)[kSums][W]) const {
    const int64_t i = row * columns + column;
    const int64_t first = static_cast<uint32_t>(row) / static_cast<uint32_t>(rows) * columns + column;
    const auto in = load_pack<W>(x + i);
    const auto g = masked_gradient<MASK, W>(y, dy, i);
    for (int k = 0; k < W; ++k) {
      sums[0][k] += g[k];
      sums[1][k] += g[k] * ((in[k] - mean[first + k]) * invstd[first + k]);
    }
  }
};

}  // namespace fovea::kernels
