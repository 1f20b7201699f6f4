// What batch norm and group norm share: the terms that they add up down the columns (column_reduce.h), and the gradient
// of their input. A segment is the rows whose values in a column were normalized alike: all of them, or an image's.
#pragma once
#include "kernels/launch/launch.h"
#include "kernels/launch/pack.h"

namespace fovea::kernels {

// Σx and Σx², in fp64, where x² is exact.
template <class T>
struct Moments {
  static constexpr int kSums = 2;
  using Sum = double;
  const T* x;
  int64_t columns;
  template <int W>
  FOVEA_HD void operator()(int64_t row, int64_t column, double (&sums)[kSums][W]) const {
    const auto in = load_pack<W>(x + row * columns + column);
    for (int k = 0; k < W; ++k) {
      const double value = static_cast<float>(in[k]);
      sums[0][k] += value;
      sums[1][k] += value * value;
    }
  }
};

// Divided in 32 bits: a 64-bit division costs more than a row's other work.
FOVEA_HD int64_t segment_of(int64_t row, int64_t segment_rows) {
  return static_cast<uint32_t>(row) / static_cast<uint32_t>(segment_rows);
}

// The gradient of element i of y before the ReLU.
template <bool MASK, int W, class T>
FOVEA_HD Pack<float, W> masked_gradient(const T* y, const T* dy, int64_t i) {
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

// Σg and Σ g·x̂. In packs, mean and invstd are aligned to 16 bytes like x, y and dy.
template <class T, bool MASK>
struct GradientMoments {
  static constexpr int kSums = 2;
  using Sum = float;
  const T *x, *y, *dy;
  const float *mean, *invstd;  // [segments, columns]
  int64_t columns, rows;       // rows: a segment
  template <int W>
  FOVEA_HD void operator()(int64_t row, int64_t column, float (&sums)[kSums][W]) const {
    const int64_t i = row * columns + column;
    const int64_t first = segment_of(row, rows) * columns + column;
    const auto in = load_pack<W>(x + i);
    const auto g = masked_gradient<MASK, W>(y, dy, i);
    const auto center = load_pack<W>(mean + first), scale = load_pack<W>(invstd + first);
    for (int k = 0; k < W; ++k) {
      sums[0][k] += g[k];
      sums[1][k] += g[k] * ((in[k] - center[k]) * scale[k]);
    }
  }
};

// The values that were normalized together, and what is known of them.
struct NormSegments {
  int64_t rows, columns, segment_rows;            // rows: of all segments
  const float *mean, *invstd, *mean_h, *mean_hx;  // [segments, columns]
};

// dx = invstd · (h − mean(h) − x̂ · mean(h·x̂)),  h = gamma·g, with the means over the values that were normalized
// together.
template <class T>
struct NormInputGradient {
  NormSegments of;
  const T *x, *y, *dy;  // y: nullptr where there was no ReLU
  T* dx;
  const float* gamma;  // [columns]
};

template <class T, bool MASK, bool ACCUMULATE>
struct NormInputGradientForm {
  NormInputGradient<T> args;

  struct AtRow {
    const T *x, *y, *dy;
    T* dx;
    const float *gamma, *mean, *invstd, *mean_h, *mean_hx;
    template <int W>
    FOVEA_HD void operator()(int64_t c) const {
      const auto in = load_pack<W>(x + c);
      const auto g = masked_gradient<MASK, W>(y, dy, c);
      const auto weight = load_pack<W>(gamma + c), center = load_pack<W>(mean + c), scale = load_pack<W>(invstd + c),
                 h = load_pack<W>(mean_h + c), hx = load_pack<W>(mean_hx + c);
      Pack<T, W> out;
      if constexpr (ACCUMULATE) out = load_pack<W>(dx + c);
      for (int k = 0; k < W; ++k) {
        const float normalized = (in[k] - center[k]) * scale[k];
        const float value = scale[k] * (weight[k] * g[k] - h[k] - normalized * hx[k]);
        out[k] = static_cast<T>(ACCUMULATE ? out[k] + value : value);
      }
      store_pack(dx + c, out);
    }
  };
  FOVEA_HD AtRow row(int64_t row) const {
    const int64_t at = row * args.of.columns, segment = segment_of(row, args.of.segment_rows) * args.of.columns;
    return {args.x + at,
            MASK ? args.y + at : nullptr,
            args.dy + at,
            args.dx + at,
            args.gamma,
            args.of.mean + segment,
            args.of.invstd + segment,
            args.of.mean_h + segment,
            args.of.mean_hx + segment};
  }
};

// args: BatchNormBackward<T> or GroupNormBackward<T>.
template <bool MASK, template <class> class Args, class T>
void norm_input_gradient(Queue& queue, const char* name, const Args<T>& args, const NormSegments& of) {
  const NormInputGradient<T> input{of, args.x, args.y, args.dy, args.dx, args.gamma};
  const bool aligned =
      all_aligned(16, args.x, args.y, args.dy, args.dx, args.gamma, of.mean, of.invstd, of.mean_h, of.mean_hx);
  const auto run = [&](const auto& form) {
    for_row_packs<kPackWidth<T>>(queue, name, of.rows, of.columns, form, aligned);
  };
  args.accumulate_dx ? run(NormInputGradientForm<T, MASK, true>{input})
                     : run(NormInputGradientForm<T, MASK, false>{input});
}

}  // namespace fovea::kernels
