// Fibers: the threads of a GPU block on one CPU thread, for tests. Between two barriers the threads run one after the
// other in a chosen order, so that a missing barrier or a race shows as a different result.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "kernels/device/queue.h"
#include "kernels/launch/block.h"

namespace fovea {

class FiberScheduler {
 public:
  explicit FiberScheduler(int threads);
  ~FiberScheduler();
  // The one for blocks of so many threads, kept between launches: its stacks are dear to make.
  static FiberScheduler& of_this_thread(int threads);

  // Runs body(thread) for every thread of one block. Throws what a body throws, and when threads wait at different
  // barriers or one ends while others wait (a barrier in divergent code).
  void run(ExecutionMode order, uint64_t seed, const std::function<void(int)>& body);

  void sync_block();
  void sync_warp();
  uint64_t* exchange() { return exchange_.get(); }  // one word a thread, for shuffles

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::unique_ptr<uint64_t[]> exchange_;
};

// Its members are FOVEA_HD, though fibers never run on the GPU: nvcc's check that a kernel calls nothing of the host
// alone, which would silently empty the kernel, stays on for everything else.
template <int N>
struct FiberBlock : BlockCollectives<FiberBlock<N>> {
  using BlockCollectives<FiberBlock<N>>::sum;
  using BlockCollectives<FiberBlock<N>>::max;
  FiberScheduler* scheduler;
  void* scratch_memory;
  int index;

  FiberBlock(FiberScheduler& s, void* scratch, int thread) : scheduler(&s), scratch_memory(scratch), index(thread) {}
  FOVEA_HD int thread() const { return index; }
  static constexpr int size() { return N; }
  FOVEA_HD int lane() const { return index % kWarpSize; }
  FOVEA_HD int warp() const { return index / kWarpSize; }
  static constexpr int warp_size() { return kWarpSize; }
  FOVEA_HD void sync() {
#if !defined(__CUDA_ARCH__)
    scheduler->sync_block();
#endif
  }
  template <class T>
  FOVEA_HD T shuffle_xor(T value, int mask) {
    return exchange_with(value, lane() ^ mask);
  }
  template <class T>
  FOVEA_HD T shuffle_up(T value, int delta) {
    return exchange_with(value, lane() < delta ? lane() : lane() - delta);
  }
  template <class T>
  FOVEA_HD T shuffle(T value, int lane) {
    return exchange_with(value, lane);
  }
  template <class T>
  FOVEA_HD T* scratch() {
    return static_cast<T*>(scratch_memory);
  }

 private:
  template <class T>
  FOVEA_HD T exchange_with(T value, int lane) {
    static_assert(sizeof(T) <= 8);
#if defined(__CUDA_ARCH__)
    return value;
#else
    std::memcpy(&scheduler->exchange()[index], &value, sizeof(T));
    scheduler->sync_warp();
    T result;
    std::memcpy(&result, &scheduler->exchange()[warp() * kWarpSize + lane], sizeof(T));
    scheduler->sync_warp();
    return result;
#endif
  }
};

}  // namespace fovea
