// Bits of a word, on both targets.
#pragma once
#include <cstdint>

#include "kernels/launch/function.h"

namespace fovea {

// The place of the lowest bit that is set; bits != 0.
FOVEA_HD int lowest_bit(uint64_t bits) {
#if defined(__CUDA_ARCH__)
  return __ffsll(static_cast<long long>(bits)) - 1;
#else
  return __builtin_ctzll(bits);
#endif
}

}  // namespace fovea
