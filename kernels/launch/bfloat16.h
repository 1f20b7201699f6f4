// bfloat16: the upper half of a float. Conversion rounds to nearest even; NaN stays NaN (quiet).
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/launch/function.h"

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#endif

namespace fovea {

struct bfloat16 {
  uint16_t bits = 0;

  bfloat16() = default;
  FOVEA_HD bfloat16(float value) {  // NOLINT(google-explicit-constructor): behaves as an arithmetic type
#if defined(__CUDA_ARCH__)
    bits = __bfloat16_as_ushort(__float2bfloat16_rn(value));
#else
    uint32_t u;
    std::memcpy(&u, &value, 4);
    const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
    const uint32_t quiet_nan = (u >> 16) | 0x0040u;
    bits = static_cast<uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? quiet_nan : rounded);
#endif
  }
  FOVEA_HD operator float() const {  // NOLINT(google-explicit-constructor)
    const uint32_t u = static_cast<uint32_t>(bits) << 16;
    float value;
    memcpy(&value, &u, 4);
    return value;
  }
};
static_assert(sizeof(bfloat16) == 2);

}  // namespace fovea
