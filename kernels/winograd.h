// The transforms of Winograd's F(4x4, 3x3) (Lavin & Gray 2015, "Fast Algorithms for Convolutional Neural Networks"), on
// vectors of channels. A 4x4 tile of outputs comes from a 6x6 patch d of inputs by 36 products instead of 144:
//   y = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ d B) ] A      and, the form being trilinear,  dw = Gᵀ [ Σ_tiles (Bᵀ d B) ⊙ (A dy Aᵀ) ] G
// built on the interpolation points 0, ±a, ±b, ∞ (rows 0, 1…2, 3…4, 5; N_p = Π_{q≠p} (p − q)):
//   A[p, i] = pⁱ, G[p, i] = pⁱ / N_p, Bᵀ[p, i] = coefficient of xⁱ in Π_{q≠p} (x − q); ∞: A = e₃, G = e₂, Bᵀ = Π_q (x −
//   q)
// a = 5/8, b = 3/2 make A and B exact in fp32 and lose the least: Σ_k |A||G||B|, by which rounding errors grow, is 39
// on the mean over a tile (77 for the usual points 1 and 2), and the measured error is 1.6 times that of a plain sum
// (2.9).
#pragma once
#include "kernels/simd.h"

namespace fovea::kernels::winograd {

using simd::broadcast;
using simd::fma;
using simd::Lanes;

inline constexpr int kTile = 4, kPatch = 6, kPoints = kPatch * kPatch;
inline constexpr float kA = 0.625f, kB = 1.5f, kA2 = kA * kA, kB2 = kB * kB;
inline constexpr float kG0 = 1 / (kA2 * kB2), kGa = 1 / (2 * kA2 * (kA2 - kB2)), kGb = 1 / (2 * kB2 * (kB2 - kA2));

struct InputTransform {  // Bᵀ
  static constexpr int in = kPatch, out = kPatch;
  FN void operator()(const Lanes (&d)[6], Lanes (&v)[6]) const {
    const Lanes a = broadcast(kA), b = broadcast(kB), a2 = broadcast(-kA2), b2 = broadcast(-kB2);
    const Lanes product = broadcast(kA2 * kB2), sum = broadcast(-(kA2 + kB2));
    const Lanes even_a = fma(b2, d[2], d[4]), odd_a = fma(b2, d[1], d[3]);
    const Lanes even_b = fma(a2, d[2], d[4]), odd_b = fma(a2, d[1], d[3]);
    v[0] = fma(product, d[0], fma(sum, d[2], d[4]));
    v[1] = fma(a, odd_a, even_a);
    v[2] = fma(-a, odd_a, even_a);
    v[3] = fma(b, odd_b, even_b);
    v[4] = fma(-b, odd_b, even_b);
    v[5] = fma(product, d[1], fma(sum, d[3], d[5]));
  }
};

struct OutputTransform {  // Aᵀ
  static constexpr int in = kPatch, out = kTile;
  FN void operator()(const Lanes (&m)[6], Lanes (&y)[4]) const {
    const Lanes sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    y[0] = m[0] + sum_a + sum_b;
    y[1] = fma(broadcast(kA), difference_a, kB * difference_b);
    y[2] = fma(broadcast(kA2), sum_a, kB2 * sum_b);
    y[3] = fma(broadcast(kA * kA2), difference_a, fma(broadcast(kB * kB2), difference_b, m[5]));
  }
};

struct OutputGradientTransform {  // A
  static constexpr int in = kTile, out = kPatch;
  FN void operator()(const Lanes (&y)[4], Lanes (&v)[6]) const {
    const Lanes a = broadcast(kA), b = broadcast(kB), a2 = broadcast(kA2), b2 = broadcast(kB2);
    const Lanes even_a = fma(a2, y[2], y[0]), odd_a = fma(a2, y[3], y[1]);
    const Lanes even_b = fma(b2, y[2], y[0]), odd_b = fma(b2, y[3], y[1]);
    v[0] = y[0];
    v[1] = fma(a, odd_a, even_a);
    v[2] = fma(-a, odd_a, even_a);
    v[3] = fma(b, odd_b, even_b);
    v[4] = fma(-b, odd_b, even_b);
    v[5] = y[3];
  }
};

struct WeightTransform {  // G
  static constexpr int in = 3, out = kPatch;
  FN void operator()(const Lanes (&w)[3], Lanes (&u)[6]) const {
    const Lanes even_a = kGa * fma(broadcast(kA2), w[2], w[0]), odd_a = (kGa * kA) * w[1];
    const Lanes even_b = kGb * fma(broadcast(kB2), w[2], w[0]), odd_b = (kGb * kB) * w[1];
    u[0] = kG0 * w[0];
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = w[2];
  }
};

struct WeightGradientTransform {  // Gᵀ
  static constexpr int in = kPatch, out = 3;
  FN void operator()(const Lanes (&m)[6], Lanes (&w)[3]) const {
    const Lanes sum_a = kGa * (m[1] + m[2]), difference_a = m[1] - m[2];
    const Lanes sum_b = kGb * (m[3] + m[4]), difference_b = m[3] - m[4];
    w[0] = fma(broadcast(kG0), m[0], sum_a + sum_b);
    w[1] = fma(broadcast(kGa * kA), difference_a, (kGb * kB) * difference_b);
    w[2] = fma(broadcast(kA2), sum_a, fma(broadcast(kB2), sum_b, m[5]));
  }
};

// The transform of a square from both sides: T x Tᵀ.
template <class Transform>
FN void both_ways(const Lanes (&x)[Transform::in][Transform::in], Lanes (&y)[Transform::out][Transform::out]) {
  constexpr int in = Transform::in, out = Transform::out;
  Lanes half[out][in];
#pragma GCC unroll 6
  for (int j = 0; j < in; ++j) {
    Lanes column[in], transformed[out];
#pragma GCC unroll 6
    for (int i = 0; i < in; ++i) column[i] = x[i][j];
    Transform{}(column, transformed);
#pragma GCC unroll 6
    for (int i = 0; i < out; ++i) half[i][j] = transformed[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < out; ++i) Transform{}(half[i], y[i]);
}

}  // namespace fovea::kernels::winograd
