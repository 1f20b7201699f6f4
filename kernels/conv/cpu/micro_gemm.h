// The register-blocked matrix product behind Winograd: C[rows, columns] = Σ_k A(row, k) · B(k, column), a strip of B of
// at most kStrip columns that stays in the L2 cache, kRows · kStrip sums in registers.
#pragma once
#include <algorithm>
#include <array>
#include <utility>

#include "kernels/conv/cpu/simd.h"
#include "kernels/launch/math.h"

namespace fovea::kernels {

// Sums and operands fill the register file: 24 + 4 + 1 of AVX-512's 32, 12 + 2 + 1 of AVX2's 16.
inline constexpr int kMicroRows = 6;
inline constexpr int kStripVectors = simd::kLanes == 16 ? 4 : 2;
inline constexpr int kStrip = kStripVectors * simd::kLanes;

// A(row, k) = a[row * a_row + k * a_k]; B(k, column) = b[k * kStrip + column]; C(row, column) = c[row * kStrip +
// column].
struct MicroGemm {
  const float* a;
  int64_t a_row, a_k;
  const float* b;
  int64_t depth;
  float* c;
};

template <int ROWS, int VECTORS>
inline void micro_gemm_block(const MicroGemm& g) {
  using simd::Lanes;
  Lanes sum[ROWS][VECTORS] = {};
  const float *a = g.a, *b = g.b;
  for (int64_t k = 0; k < g.depth; ++k, a += g.a_k, b += kStrip) {
    Lanes column[VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) column[v] = simd::load(b + v * simd::kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; ++r) {
      const Lanes row = simd::broadcast(a[r * g.a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < VECTORS; ++v) sum[r][v] = simd::fma(row, column[v], sum[r][v]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < VECTORS; ++v) simd::store(g.c + r * kStrip + v * simd::kLanes, sum[r][v]);
}

// All rows, by blocks; only the vectors of the strip that hold `columns`.
inline void micro_gemm(MicroGemm g, int64_t rows, int columns) {
  using Block = void (*)(const MicroGemm&);
  static constexpr auto blocks = []<int... I>(std::integer_sequence<int, I...>) {
    return std::array<Block, sizeof...(I)>{micro_gemm_block<I / kStripVectors + 1, I % kStripVectors + 1>...};
  }(std::make_integer_sequence<int, kMicroRows * kStripVectors>{});
  const int vectors = ceil_div(columns, simd::kLanes);
  for (int64_t row = 0; row < rows; row += kMicroRows) {
    const int block_rows = static_cast<int>(std::min<int64_t>(kMicroRows, rows - row));
    blocks[(block_rows - 1) * kStripVectors + vectors - 1](g);
    g.a += kMicroRows * g.a_row;
    g.c += kMicroRows * kStrip;
  }
}

}  // namespace fovea::kernels
