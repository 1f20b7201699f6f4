// Atomic updates of integers, on memory that several blocks (or threads of a block) share. Only for operations whose
// result does not hang on the order: maximum, sum, bits, and counters that hand out slots of an unordered list.
#pragma once
#include <cstdint>

#include "kernels/launch/function.h"

namespace fovea {

// Returns what was there before.
FOVEA_HD int32_t atomic_add(int32_t* to, int32_t value) {
#if defined(__CUDA_ARCH__)
  return atomicAdd(to, value);
#else
  return __atomic_fetch_add(to, value, __ATOMIC_RELAXED);
#endif
}

FOVEA_HD void atomic_max(int32_t* to, int32_t value) {
#if defined(__CUDA_ARCH__)
  atomicMax(to, value);
#else
  int32_t seen = __atomic_load_n(to, __ATOMIC_RELAXED);
  while (seen < value && !__atomic_compare_exchange_n(to, &seen, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
#endif
}

FOVEA_HD void atomic_or(uint32_t* to, uint32_t bits) {
#if defined(__CUDA_ARCH__)
  atomicOr(to, bits);
#else
  __atomic_fetch_or(to, bits, __ATOMIC_RELAXED);
#endif
}

FOVEA_HD void atomic_or(uint64_t* to, uint64_t bits) {
#if defined(__CUDA_ARCH__)
  atomicOr(reinterpret_cast<unsigned long long*>(to), static_cast<unsigned long long>(bits));
#else
  __atomic_fetch_or(to, bits, __ATOMIC_RELAXED);
#endif
}

}  // namespace fovea
