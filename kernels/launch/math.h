// exp, log, log1p and sigmoid in fp32 as short polynomials: on the CPU they vectorize (libm's calls do not), and every
// device with fused multiply-add gives the same bits, so that decisions which hang on them fall alike.
//
//   exp      relative error <= kExpError;     exp(+inf) = inf, exp(−inf) = 0; results under 2^−125 are 0
//   log      relative error <= kLogError;     any x, denormal too; log(0) = −inf, log(inf) = inf, log(x < 0) = NaN
//   log1p    relative error <= kLog1pError;   x in [0, 1] only
//   sigmoid  relative error <= kSigmoidError where the result is >= 2^−125; under it absolute error <= 2^−125
// NaN in, NaN out. The polynomials are minimax fits (Remez) of the relative error, their own error under 6e-9; the rest
// is rounding. Bounds are held by tests over the whole range.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/launch/function.h"

namespace fovea {

// a / b rounded up, and the multiple of b that is next from a; a >= 0, b > 0.
template <class A, class B>
FOVEA_HD constexpr auto ceil_div(A a, B b) {
  return (a + b - 1) / b;
}
template <class A, class B>
FOVEA_HD constexpr auto round_up(A a, B b) {
  return ceil_div(a, b) * b;
}

}  // namespace fovea

namespace fovea::math {

inline constexpr double kExpError = 1e-7;
inline constexpr double kLogError = 1e-7;
inline constexpr double kSigmoidError = 1.6e-7;

// a·b + c with one rounding where the target has it (all GPUs; x86-64-v3 and up), else with two.
#if defined(__CUDA_ARCH__) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
inline constexpr double kLog1pError = 1.3e-7;
FOVEA_HD float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
#else
// The products that are rounded apart add most at x = 1: there their sizes sum to 0.964, and the result is 0.693.
inline constexpr double kLog1pError = 1.3e-7 + 1.4 * 0x1p-24;
FOVEA_HD float fma(float a, float b, float c) { return a * b + c; }
#endif

namespace detail {

// x = n·ln 2 + r, |r| <= ln 2 / 2. Adding 1.5·2^23 rounds to an integer and leaves n in the low bits of the sum.
struct ExpParts {
  float r;
  uint32_t n;  // modulo 2^9
};
FOVEA_HD ExpParts split_for_exp(float x) {
  constexpr float kRound = 12582912.f;  // 1.5·2^23
  const float shifted = fma(x, 1.44269504f, kRound);
  const float n = shifted - kRound;
  const float r = fma(n, -1.42860677e-6f, fma(n, -0.693145752f, x));  // ln 2 in two parts: n·(the first) is exact
  return {r, std::bit_cast<uint32_t>(shifted)};
}
// 2·value·2^(n−1): in two steps, since 2^128 is no float. `x` decides where the result is infinite or too small.
FOVEA_HD float scale_exp(float x, float value, uint32_t n) {
  const float result = (value + value) * std::bit_cast<float>((n + 126u) << 23);
  if (x > 88.7228394f) return std::numeric_limits<float>::infinity();
  return x < -86.6433945f ? 0.f : result;
}

}  // namespace detail

FOVEA_HD float exp(float x) {
  const auto [r, n] = detail::split_for_exp(x);
  float p = 1.3814599e-3f;
  p = fma(p, r, 8.368717e-3f);
  p = fma(p, r, 4.166839e-2f);
  p = fma(p, r, 0.16666521f);
  p = fma(p, r, 0.49999994f);
  p = fma(p, r * r, r) + 1.f;
  return detail::scale_exp(x, p, n);
}

FOVEA_HD float log(float x) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const bool denormal = x < 1.17549435e-38f;
  const uint32_t bits = std::bit_cast<uint32_t>(denormal ? x * 8388608.f : x);
  // x = m·2^n, m in [√½, √2): 0x3f3504f3 is √½.
  const int32_t n = static_cast<int32_t>(bits - 0x3f3504f3u) >> 23;
  const float f = std::bit_cast<float>(bits - (static_cast<uint32_t>(n) << 23)) - 1.f;
  float p = -7.634503e-2f;
  p = fma(p, f, 0.12761578f);
  p = fma(p, f, -0.13160181f);
  p = fma(p, f, 0.14201757f);
  p = fma(p, f, -0.16623357f);
  p = fma(p, f, 0.20001227f);
  p = fma(p, f, -0.2500082f);
  p = fma(p, f, 0.3333333f);
  const float exponent = static_cast<float>(denormal ? n - 23 : n);
  const float square = f * f;
  float tail = fma(p * f, square, exponent * 1.42860677e-6f);
  tail = fma(-0.5f, square, tail);
  const float result = fma(exponent, 0.693145752f, f + tail);
  if (x == 0.f) return -kInfinity;
  return x < kInfinity ? (x < 0.f ? std::numeric_limits<float>::quiet_NaN() : result) : x;  // NaN and +inf as they are
}

FOVEA_HD float log1p(float x) {
  float p = -3.318474e-3f;
  p = fma(p, x, 2.0204589e-2f);
  p = fma(p, x, -5.7664447e-2f);
  p = fma(p, x, 0.106805556f);
  p = fma(p, x, -0.15355396f);
  p = fma(p, x, 0.196954f);
  p = fma(p, x, -0.24958587f);
  p = fma(p, x, 0.33330512f);
  p = fma(p, x, -0.4999993f);
  return fma(p, x * x, x);
}

FOVEA_HD float sigmoid(float x) { return 1.f / (1.f + exp(-x)); }

// One instruction of the GPU's special-function units each (and a product), where a loss or a gradient, and no
// decision, hangs on the result; the CPU's forms are exp(x) and 1 / x. The rounding of x · log2 e grows with |x|:
// relative error
// <= kHardwareExpError + |x| · kHardwareExpSlope.
inline constexpr double kHardwareExpError = 0x1p-22;
inline constexpr double kHardwareExpSlope = 7.3e-8;  // 2^−24 of the product, 1.3e-8 of the constant
FOVEA_HD float approx_exp(float x) {                 // under 2^−126 the result is 0
#if defined(__CUDA_ARCH__)
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x * 1.44269504f));
  return result;
#else
  return exp(x);
#endif
}
FOVEA_HD float hardware_reciprocal(float x) {  // 1 <= x < 2^126
#if defined(__CUDA_ARCH__)
  float result;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#else
  return 1.f / x;
#endif
}

// log1p(x) + plus, x in [0, 1]: 2 atanh(t) with t = x / (2 + x), on the GPU as t · (a polynomial in t²). Relative error
// of log1p <= kHardwareLog1pError, then the sum's rounding.
inline constexpr double kHardwareLog1pError = 6e-7;  // 1.65e-7 of the polynomial, seven roundings
FOVEA_HD float hardware_log1p(float x, float plus) {
#if defined(__CUDA_ARCH__)
  const float t = x * hardware_reciprocal(x + 2.f), square = t * t;
  float p = 0.3422605f;
  p = fma(p, square, 0.39589461f);
  p = fma(p, square, 0.66676003f);
  p = fma(p, square, 1.9999997f);
  return fma(p, t, plus);
#else
  return log1p(x) + plus;
#endif
}

}  // namespace fovea::math
