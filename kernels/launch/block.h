// The view that a cooperative kernel has of its block of threads. The same functor runs with three kinds of block:
//   GpuBlock<N>    N threads of a GPU block;
//   SerialBlock    the CPU's: one thread; barriers and reductions vanish, strided loops become plain vectorized loops;
//   FiberBlock<N>  tests: the GPU's N threads as fibers on one CPU thread, in any order between barriers
//   (kernels/launch/fiber.h).
//
// What a kernel may use:
//   thread(), size()           this thread's index; the block size (a constant 1 for SerialBlock)
//   sync()                     barrier of the whole block
//   loop(n, body)              body(i) for i in [0, n), strided over the threads; iterations are independent
//   sum(n, body), max(n, body) reduction of body(i) over [0, n), the result on every thread
//                              (every thread evaluates body(0) of max: it reads nothing that one thread alone wrote)
//   sum(v), max(v), min(v)     reduction over the threads' values, the result on every thread
//   exclusive_scan(v, total)   sum of the values of lower threads; `total` = the sum of all
//   lane(), warp(), warp_size(), shuffle_xor(v, mask), shuffle_up(v, delta), shuffle(v, lane)
//                              all threads of a warp take part; warp_size() is 1 for SerialBlock
//   Reductions and scans are collective: every thread of the block calls them.
#pragma once
#include <cstring>

#include "kernels/launch/function.h"

namespace fovea {

inline constexpr int kWarpSize = 32;
inline constexpr int kMaxWarps = 1024 / kWarpSize;

struct NoShared {};

struct SerialBlock {
  FOVEA_HD static constexpr int thread() { return 0; }
  FOVEA_HD static constexpr int size() { return 1; }
  FOVEA_HD static constexpr int lane() { return 0; }
  FOVEA_HD static constexpr int warp() { return 0; }
  FOVEA_HD static constexpr int warp_size() { return 1; }
  FOVEA_HD void sync() const {}

  template <class Body>
  FOVEA_HD void loop(int n, Body body) const {
#pragma omp simd
    for (int i = 0; i < n; ++i) body(i);
  }
  template <class Body>
  FOVEA_HD auto sum(int n, Body body) const {
    decltype(body(0)) total = 0;
#pragma omp simd reduction(+ : total)
    for (int i = 0; i < n; ++i) total += body(i);
    return total;
  }
  // `n` >= 1
  template <class Body>
  FOVEA_HD auto max(int n, Body body) const {
    auto best = body(0);
#pragma omp simd reduction(max : best)
    for (int i = 1; i < n; ++i) {
      const auto value = body(i);
      best = value > best ? value : best;
    }
    return best;
  }
  template <class T>
  FOVEA_HD T sum(T value) const {
    return value;
  }
  template <class T>
  FOVEA_HD T max(T value) const {
    return value;
  }
  template <class T>
  FOVEA_HD T min(T value) const {
    return value;
  }
  template <class T>
  FOVEA_HD T exclusive_scan(T value, T& total) const {
    total = value;
    return T(0);
  }
  template <class T>
  FOVEA_HD T shuffle_xor(T value, int) const {
    return value;
  }
  template <class T>
  FOVEA_HD T shuffle_up(T value, int) const {
    return value;
  }
  template <class T>
  FOVEA_HD T shuffle(T value, int) const {
    return value;
  }
};

// Reductions over threads, written once on top of sync() and the shuffles of `Derived`; same order on GPU and fibers.
template <class Derived>
struct BlockCollectives {
  FOVEA_HD Derived& self() { return static_cast<Derived&>(*this); }

  template <class Body>
  FOVEA_HD void loop(int n, Body body) {
    for (int i = self().thread(); i < n; i += self().size()) body(i);
  }
  template <class Body>
  FOVEA_HD auto sum(int n, Body body) {
    decltype(body(0)) total = 0;
    for (int i = self().thread(); i < n; i += self().size()) total += body(i);
    return sum(total);
  }
  template <class Body>
  FOVEA_HD auto max(int n, Body body) {  // n >= 1
    auto best = body(0);
    for (int i = self().thread(); i < n; i += self().size()) {
      const auto value = body(i);
      best = value > best ? value : best;
    }
    return max(best);
  }
  template <class T>
  FOVEA_HD T sum(T value) {
    return reduce(value, [](T a, T b) { return a + b; });
  }
  template <class T>
  FOVEA_HD T max(T value) {
    return reduce(value, [](T a, T b) { return b > a ? b : a; });
  }
  template <class T>
  FOVEA_HD T min(T value) {
    return reduce(value, [](T a, T b) { return b < a ? b : a; });
  }

  template <class T>
  FOVEA_HD T exclusive_scan(T value, T& total) {
    T inclusive = value;
    for (int delta = 1; delta < kWarpSize; delta *= 2) {
      const T lower = self().shuffle_up(inclusive, delta);
      if (self().lane() >= delta) inclusive += lower;
    }
    T* warp_totals = self().template scratch<T>();
    if (self().lane() == kWarpSize - 1) warp_totals[self().warp()] = inclusive;
    self().sync();
    T before = 0, all = 0;
    for (int w = 0; w < self().size() / kWarpSize; ++w) {
      if (w == self().warp()) before = all;
      all += warp_totals[w];
    }
    self().sync();  // warp_totals may be written again by the next collective
    total = all;
    return before + inclusive - value;
  }

 private:
  template <class T, class Combine>
  FOVEA_HD T reduce(T value, Combine combine) {
    for (int mask = kWarpSize / 2; mask > 0; mask /= 2) value = combine(value, self().shuffle_xor(value, mask));
    T* warp_values = self().template scratch<T>();
    if (self().lane() == 0) warp_values[self().warp()] = value;
    self().sync();
    T result = warp_values[0];
    for (int w = 1; w < self().size() / kWarpSize; ++w) result = combine(result, warp_values[w]);
    self().sync();  // warp_values may be written again by the next collective
    return result;
  }
};

#if defined(__CUDACC__)
template <int N>
struct GpuBlock : BlockCollectives<GpuBlock<N>> {
  static_assert(N % kWarpSize == 0 && N <= 1024);
  using BlockCollectives<GpuBlock<N>>::sum;
  using BlockCollectives<GpuBlock<N>>::max;
  void* scratch_memory;  // kMaxWarps * 8 bytes of shared memory

  __device__ explicit GpuBlock(void* scratch) : scratch_memory(scratch) {}
  __device__ static int thread() { return static_cast<int>(threadIdx.x); }
  __device__ static constexpr int size() { return N; }
  __device__ static int lane() { return static_cast<int>(threadIdx.x) % kWarpSize; }
  __device__ static int warp() { return static_cast<int>(threadIdx.x) / kWarpSize; }
  __device__ static constexpr int warp_size() { return kWarpSize; }
  __device__ static void sync() { __syncthreads(); }
  template <class T>
  __device__ static T shuffle_xor(T v, int mask) {
    return __shfl_xor_sync(0xffffffffu, v, mask);
  }
  template <class T>
  __device__ static T shuffle_up(T v, int delta) {
    return __shfl_up_sync(0xffffffffu, v, delta);
  }
  template <class T>
  __device__ static T shuffle(T v, int lane) {
    return __shfl_sync(0xffffffffu, v, lane);
  }
  template <class T>
  __device__ T* scratch() {
    return static_cast<T*>(scratch_memory);
  }
};
#endif

}  // namespace fovea
