// The transforms of Winograd's F(m x m, 3x3) (Lavin & Gray 2015, "Fast Algorithms for Convolutional Neural Networks"),
// on vectors of channels. An m x m tile of outputs comes from a patch d of n x n inputs, n = m + 2, by n² products:
//   y = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ d B) ] A      and, the form being trilinear,  dw = Gᵀ [ Σ_tiles (Bᵀ d B) ⊙ (A dy Aᵀ) ] G
// built on the interpolation points 0, ±p₁, ±p₂ …, ∞ (one row of A, G and Bᵀ each; N_p = Π_{q≠p} (p − q)):
//   A[p, i] = pⁱ, G[p, i] = pⁱ / N_p, Bᵀ[p, i] = coefficient of xⁱ in Π_{q≠p} (x − q); ∞: A = e_m, G = e_3, Bᵀ = Π_q (x
//   − q)
// Rounding errors grow by Σ_k |A||G||B|. The points are those that lose the least (mean growth over a tile; measured
// error in units of the direct form's), dyadic so that A and Bᵀ are exact in fp32:
//   F(4x4): 36 products for 144, points 5/8, 3/2: 39 times, 1.6 (the usual 1, 2: 77 times, 2.9)
//   F(6x6): 64 products for 324, points 1/2, 1, 2: 228 times, 6: for bf16 activations, whose own rounding is 1000 times
//   that
#pragma once
#include "kernels/conv/cpu/simd.h"

namespace fovea::kernels::winograd {

using simd::broadcast;
using simd::fma;
using simd::Lanes;

// Points, and what follows from them, for K pairs ±p.
template <int K>
struct Points {
  double pair[K] = {};
  double all[K + 1] = {};              // Π (x² − p²) over all pairs: coefficients of x^2j
  double others[K][K] = {};            // the same without pair k
  double weight[K] = {}, weight0 = 0;  // 1 / N_p of a pair, and of 0

  constexpr explicit Points(const double (&pairs)[K]) {
    all[0] = 1;
    for (int k = 0; k < K; ++k) {
      pair[k] = pairs[k];
      multiply(all, pairs[k], k + 1);
      others[k][0] = 1;
      double product = 2 * pairs[k] * pairs[k];  // (p − 0)(p + p)
      for (int q = 0, degree = 0; q < K; ++q) {
        if (q == k) continue;
        multiply(others[k], pairs[q], ++degree);
        product *= pairs[k] * pairs[k] - pairs[q] * pairs[q];
      }
      weight[k] = 1 / product;
    }
    weight0 = 1 / all[0];
  }

 private:
  static constexpr void multiply(double* polynomial, double p, int degree) {
    for (int j = degree; j >= 0; --j)
      polynomial[j] = (j > 0 ? polynomial[j - 1] : 0) - (j < degree ? p * p * polynomial[j] : 0);
  }
};

template <int K>
inline constexpr Points<K> kInterpolation = Points<K>({});
template <>
inline constexpr Points<2> kInterpolation<2> = Points<2>({0.625, 1.5});
template <>
inline constexpr Points<3> kInterpolation<3> = Points<3>({0.5, 1, 2});

constexpr double power(double p, int n) { return n == 0 ? 1 : p * power(p, n - 1); }
FOVEA_HD Lanes constant(double value) { return broadcast(static_cast<float>(value)); }

template <int K>
struct Transforms {
  static constexpr int stride = 1, tile = 2 * K, patch = 2 * K + 2, axis = patch, products = axis * axis;
  static constexpr const Points<K>& points = kInterpolation<K>;

  struct Input {  // Bᵀ: from the polynomial's even and odd part
    static constexpr int in = patch, out = patch;
    FOVEA_HD void operator()(const Lanes (&d)[patch], Lanes (&v)[patch]) const {
      v[0] = d[2 * K], v[patch - 1] = d[2 * K + 1];
#pragma GCC unroll 4
      for (int j = K - 1; j >= 0; --j) {
        v[0] = fma(constant(points.all[j]), d[2 * j], v[0]);
        v[patch - 1] = fma(constant(points.all[j]), d[2 * j + 1], v[patch - 1]);
      }
#pragma GCC unroll 4
      for (int k = 0; k < K; ++k) {
        Lanes even = d[2 * K], odd = d[2 * K - 1];
#pragma GCC unroll 4
        for (int j = K - 2; j >= 0; --j) {
          even = fma(constant(points.others[k][j]), d[2 * j + 2], even);
          odd = fma(constant(points.others[k][j]), d[2 * j + 1], odd);
        }
        v[2 * k + 1] = fma(constant(points.pair[k]), odd, even);
        v[2 * k + 2] = fma(constant(-points.pair[k]), odd, even);
      }
    }
  };

  struct Output {  // Aᵀ
    static constexpr int in = patch, out = tile;
    FOVEA_HD void operator()(const Lanes (&m)[patch], Lanes (&y)[tile]) const {
      Lanes sum[K], difference[K];
#pragma GCC unroll 4
      for (int k = 0; k < K; ++k) sum[k] = m[2 * k + 1] + m[2 * k + 2], difference[k] = m[2 * k + 1] - m[2 * k + 2];
#pragma GCC unroll 6
      for (int i = 0; i < tile; ++i) {
        y[i] = i == 0 ? m[0] : i == tile - 1 ? m[patch - 1] : Lanes{};
#pragma GCC unroll 4
        for (int k = 0; k < K; ++k)
          y[i] = fma(constant(power(points.pair[k], i)), i % 2 == 0 ? sum[k] : difference[k], y[i]);
      }
    }
  };

  struct OutputGradient {  // A
    static constexpr int in = tile, out = patch;
    FOVEA_HD void operator()(const Lanes (&y)[tile], Lanes (&v)[patch]) const {
      v[0] = y[0], v[patch - 1] = y[tile - 1];
#pragma GCC unroll 4
      for (int k = 0; k < K; ++k) {
        const Lanes square = constant(points.pair[k] * points.pair[k]);
        Lanes even = y[tile - 2], odd = y[tile - 1];
#pragma GCC unroll 4
        for (int i = tile - 4; i >= 0; i -= 2) even = fma(square, even, y[i]), odd = fma(square, odd, y[i + 1]);
        v[2 * k + 1] = fma(constant(points.pair[k]), odd, even);
        v[2 * k + 2] = fma(constant(-points.pair[k]), odd, even);
      }
    }
  };

  struct Weight {  // G
    static constexpr int in = 3, out = patch;
    FOVEA_HD void operator()(const Lanes (&w)[3], Lanes (&u)[patch]) const {
      u[0] = constant(points.weight0) * w[0], u[patch - 1] = w[2];
#pragma GCC unroll 4
      for (int k = 0; k < K; ++k) {
        const double p = points.pair[k];
        const Lanes even = constant(points.weight[k]) * fma(constant(p * p), w[2], w[0]);
        const Lanes odd = constant(points.weight[k] * p) * w[1];
        u[2 * k + 1] = even + odd;
        u[2 * k + 2] = even - odd;
      }
    }
  };

  using DataInput = Input;  // the data gradient is a convolution of dy with the weights turned
  using DataOutput = Output;

  struct WeightGradient {  // Gᵀ
    static constexpr int in = patch, out = 3;
    FOVEA_HD void operator()(const Lanes (&m)[patch], Lanes (&w)[3]) const {
      w[0] = constant(points.weight0) * m[0], w[1] = Lanes{}, w[2] = m[patch - 1];
#pragma GCC unroll 4
      for (int k = 0; k < K; ++k) {
        const double p = points.pair[k], weight = points.weight[k];
        const Lanes sum = m[2 * k + 1] + m[2 * k + 2], difference = m[2 * k + 1] - m[2 * k + 2];
        w[0] = fma(constant(weight), sum, w[0]);
        w[1] = fma(constant(weight * p), difference, w[1]);
        w[2] = fma(constant(weight * p * p), sum, w[2]);
      }
    }
  };
};

// The transform of a square from both sides: T x Tᵀ.
template <class Transform>
FOVEA_HD void both_ways(const Lanes (&x)[Transform::in][Transform::in], Lanes (&y)[Transform::out][Transform::out]) {
  constexpr int in = Transform::in, out = Transform::out;
  Lanes half[out][in];
#pragma GCC unroll 8
  for (int j = 0; j < in; ++j) {
    Lanes column[in], transformed[out];
#pragma GCC unroll 8
    for (int i = 0; i < in; ++i) column[i] = x[i][j];
    Transform{}(column, transformed);
#pragma GCC unroll 8
    for (int i = 0; i < out; ++i) half[i][j] = transformed[i];
  }
#pragma GCC unroll 8
  for (int i = 0; i < out; ++i) Transform{}(half[i], y[i]);
}

}  // namespace fovea::kernels::winograd
