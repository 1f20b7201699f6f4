// Pack: N neighboring elements moved by one access on the GPU, where it has 16 bytes at most and is aligned to its
// size, or by several of 16 bytes. On the CPU larger ones are vectors of its loops, at any element.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/launch/bfloat16.h"  // IWYU pragma: export
#include "kernels/launch/function.h"

namespace fovea {

template <class T>
inline constexpr int kPackWidth = 16 / static_cast<int>(sizeof(T));

template <class T, int N>
struct alignas(sizeof(T) * N <= 16 ? sizeof(T) * N : alignof(T)) Pack {
  T value[N];
  FOVEA_HD T& operator[](int i) { return value[i]; }
  FOVEA_HD const T& operator[](int i) const { return value[i]; }
};

// `from` and `to` are aligned to the pack on the GPU; there a pack of more than 16 bytes takes several accesses of 16.
template <int N, class T>
FOVEA_HD Pack<T, N> load_pack(const T* from) {
#if defined(__CUDA_ARCH__)
  if constexpr (N > kPackWidth<T>) {
    static_assert(N % kPackWidth<T> == 0);
    Pack<T, N> whole;
    for (int i = 0; i < N; i += kPackWidth<T>) {
      const auto part = load_pack<kPackWidth<T>>(from + i);
      for (int k = 0; k < kPackWidth<T>; ++k) whole[i + k] = part[k];
    }
    return whole;
  }
#endif
  return *reinterpret_cast<const Pack<T, N>*>(from);
}
template <int N, class T>
FOVEA_HD void store_pack(T* to, const Pack<T, N>& pack) {
#if defined(__CUDA_ARCH__)
  if constexpr (N > kPackWidth<T>) {
    static_assert(N % kPackWidth<T> == 0);
    for (int i = 0; i < N; i += kPackWidth<T>) {
      Pack<T, kPackWidth<T>> part;
      for (int k = 0; k < kPackWidth<T>; ++k) part[k] = pack[i + k];
      store_pack(to + i, part);
    }
    return;
  }
#endif
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

// A pack as the words it lies in, which is how a GPU's registers hold it best; element k as float.
template <class T, int N>
struct PackWords {
  static_assert(sizeof(T) * N % 4 == 0 && (sizeof(T) == 4 || sizeof(T) == 2));
  uint32_t word[sizeof(T) * N / 4];

  FOVEA_HD static PackWords load(const T* from) {
#if defined(__CUDA_ARCH__)
    static_assert(sizeof(PackWords) == 16);
    return std::bit_cast<PackWords>(*reinterpret_cast<const uint4*>(from));
#else
    PackWords pack;
    std::memcpy(pack.word, from, sizeof(pack.word));
    return pack;
#endif
  }
  FOVEA_HD float operator[](int k) const {
    if constexpr (sizeof(T) == 4) return std::bit_cast<float>(word[k]);
    return std::bit_cast<float>(k % 2 == 0 ? word[k / 2] << 16 : word[k / 2] & 0xffff0000u);
  }
};

}  // namespace fovea
