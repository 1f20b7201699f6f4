// Pack: N neighbouring elements moved by one access on the GPU, where it has 16 bytes at the most and is aligned to its
// size. Larger ones are vectors of the CPU's loops, at any element.
#pragma once
#include "kernels/bfloat16.h"
#include "kernels/function.h"

namespace fovea {

template <class T>
inline constexpr int kPackWidth = 16 / static_cast<int>(sizeof(T));

template <class T, int N>
struct alignas(sizeof(T) * N <= 16 ? sizeof(T) * N : alignof(T)) Pack {
  T value[N];
  FN T& operator[](int i) { return value[i]; }
  FN const T& operator[](int i) const { return value[i]; }
};

template <int N, class T>
FN Pack<T, N> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}
template <int N, class T>
FN void store_pack(T* to, const Pack<T, N>& pack) {
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

}  // namespace fovea
