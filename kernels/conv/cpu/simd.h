// A vector of floats as wide as the build's instruction set has, with compiler vector extensions. Unaligned loads and
// stores, with a tail of n < kLanes elements; fp32 and bf16 in memory, fp32 in registers.
#pragma once
#include <cstring>

#include "kernels/launch/bfloat16.h"
#include "kernels/launch/function.h"

#if defined(__AVX512F__) || defined(__FMA__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace fovea::kernels::simd {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
#elif defined(__AVX__)
inline constexpr int kLanes = 8;
#else
inline constexpr int kLanes = 4;
#endif
using Lanes __attribute__((vector_size(4 * kLanes))) = float;
using Words __attribute__((vector_size(4 * kLanes))) = uint32_t;
using Halves __attribute__((vector_size(2 * kLanes))) = uint16_t;

FOVEA_HD Lanes broadcast(float value) { return value - Lanes{}; }

// a·b + c, rounded once where the CPU can (the build contracts nothing by itself).
FOVEA_HD Lanes fma(Lanes a, Lanes b, Lanes c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(__aarch64__)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

FOVEA_HD Lanes widen(Halves halves) { return reinterpret_cast<Lanes>(__builtin_convertvector(halves, Words) << 16); }

FOVEA_HD Halves narrow(Lanes value) {  // to nearest even; NaN stays NaN (quiet)
  const Words u = reinterpret_cast<Words>(value);
  const Words rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16, quiet_nan = (u >> 16) | 0x0040u;
  return __builtin_convertvector((u & 0x7fffffffu) > 0x7f800000u ? quiet_nan : rounded, Halves);
}

template <class Vector, class T>
FOVEA_HD Vector load_raw(const T* from, int n) {
  Vector vector{};
  if (n >= kLanes)
    std::memcpy(&vector, from, sizeof(vector));
  else
    std::memcpy(&vector, from, n * sizeof(T));
  return vector;
}
template <class Vector, class T>
FOVEA_HD void store_raw(T* to, const Vector& vector, int n) {
  if (n >= kLanes)
    std::memcpy(static_cast<void*>(to), &vector, sizeof(vector));
  else
    std::memcpy(static_cast<void*>(to), &vector, n * sizeof(T));
}

FOVEA_HD Lanes load(const float* from, int n = kLanes) { return load_raw<Lanes>(from, n); }
FOVEA_HD Lanes load(const bfloat16* from, int n = kLanes) { return widen(load_raw<Halves>(from, n)); }
FOVEA_HD void store(float* to, Lanes value, int n = kLanes) { store_raw(to, value, n); }
FOVEA_HD void store(bfloat16* to, Lanes value, int n = kLanes) { store_raw(to, narrow(value), n); }

}  // namespace fovea::kernels::simd
