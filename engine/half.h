// IEEE 754's binary16 (fp16), as files hold it: 1 bit of sign, 5 of exponent, 10 of fraction.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

namespace fovea {

inline float float_of_half(uint16_t half) {
  const int exponent = (half >> 10) & 31, fraction = half & 1023;
  const float sign = (half & 0x8000) != 0 ? -1.f : 1.f;
  if (exponent == 31) return fraction != 0 ? NAN : sign * INFINITY;
  return sign * (exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                               : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25));
}

// Rounded to nearest, ties to even; from 65520 infinite. NaN stays NaN (quiet).
inline uint16_t half_of_float(float value) {
  constexpr uint32_t kInfinity = 0x7f800000, kFirstInfinite = 0x477ff000, kFirstNormal = 0x38800000;  // 65520; 2⁻¹⁴
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > kInfinity) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= kFirstInfinite) return static_cast<uint16_t>(sign | 0x7c00u);
  // Below 2⁻¹⁴ halves lie 2⁻²⁴ apart: as the fraction of 0.5 + |value| in fp32, which the addition rounds to.
  if (magnitude < kFirstNormal)
    return static_cast<uint16_t>(
        sign | (std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - std::bit_cast<uint32_t>(0.5f)));
  const uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
  return static_cast<uint16_t>(sign | ((rounded - (112u << 23)) >> 13));
}

}  // namespace fovea
