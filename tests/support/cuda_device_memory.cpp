#include "tests/support/device_memory.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>

#include "kernels/device/cuda_check.h"

namespace fovea::test {

namespace {

// One range of the host's memory that is pinned and mapped, so that kernels reach it by the same addresses; taken at
// the start, for nothing may be allocated while a stream captures. Blocks are powers of two behind a head that says
// which; freed ones are kept by size.
class Arena {
 public:
  static constexpr size_t kBytes = size_t{1} << 30, kHead = 64;

  void open() {
    void* memory = nullptr;
    cuda_check(cudaHostAlloc(&memory, kBytes, cudaHostAllocMapped), "cudaHostAlloc", kBytes);
    begin_ = next_ = static_cast<std::byte*>(memory);
    end_ = begin_ + kBytes;
    open_ = true;
  }
  bool is_open() const { return open_; }
  bool holds(const void* memory) const { return open_ && memory >= begin_ && memory < end_; }

  void* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto kind = static_cast<size_t>(std::bit_width(bytes + kHead - 1));
    std::byte* block = free_[kind];
    if (block != nullptr) {
      free_[kind] = *reinterpret_cast<std::byte**>(block + kHead);
    } else {
      const size_t whole = std::max(size_t{1} << kind, 2 * kHead);
      if (static_cast<size_t>(end_ - next_) < whole) throw std::bad_alloc();
      block = next_;
      next_ += whole;
    }
    *reinterpret_cast<size_t*>(block) = kind;
    return block + kHead;
  }
  void give_back(void* memory) {
    const std::lock_guard lock(mutex_);
    std::byte* block = static_cast<std::byte*>(memory) - kHead;
    const size_t kind = *reinterpret_cast<size_t*>(block);
    *reinterpret_cast<std::byte**>(block + kHead) = free_[kind];
    free_[kind] = block;
  }

 private:
  std::atomic<bool> open_ = false;
  std::mutex mutex_;
  std::byte *begin_ = nullptr, *next_ = nullptr, *end_ = nullptr;
  std::byte* free_[64] = {};
};

constinit Arena arena;

void* take(size_t bytes, size_t alignment) {
  if (arena.is_open() && alignment <= Arena::kHead) return arena.take(bytes);
  const size_t rounded = (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void give_back(void* memory) {
  if (arena.holds(memory))
    arena.give_back(memory);
  else
    std::free(memory);
}

}  // namespace

void use_device_memory() {
  if (test_device() == DeviceKind::Cuda) arena.open();
}

}  // namespace fovea::test

// The other formats call these.
void* operator new(size_t bytes) { return fovea::test::take(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__); }
void* operator new(size_t bytes, std::align_val_t alignment) {
  return fovea::test::take(bytes, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept { fovea::test::give_back(memory); }
void operator delete(void* memory, size_t) noexcept { fovea::test::give_back(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { fovea::test::give_back(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { fovea::test::give_back(memory); }
