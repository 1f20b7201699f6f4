// Host memory: large blocks for the CPU's passes, and buffers that a GPU copies from and to.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <type_traits>

#include "kernels/device/queue.h"
#include "kernels/launch/math.h"

namespace fovea::kernels {

// In huge pages where the system grants them: passes over many distant rows at once (the points of a Winograd
// transform) otherwise miss the TLB at every step. Aligned to 4096 bytes at least; nullptr if there is none. Freed by
// std::free.
inline void* allocate_host(size_t bytes) {
  constexpr size_t huge_page = size_t{2} << 20;
  const size_t alignment = bytes >= 2 * huge_page ? huge_page : 4096;
  const size_t rounded = (bytes + 4095) / 4096 * 4096;
  void* memory = std::aligned_alloc(alignment, round_up(rounded, alignment));
  if (memory != nullptr && alignment == huge_page) madvise(memory, rounded, MADV_HUGEPAGE);  // a hint: refusal is fine
  return memory;
}

}  // namespace fovea::kernels

namespace fovea {

// Memory that the device copies from and to while the program goes on: page-locked for a GPU's queue, plain for the
// CPU. Throws Error(OutOfMemory). The contents are not set.
class PinnedMemory {
 public:
  PinnedMemory(DeviceKind device, size_t bytes);
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  DeviceKind device_;
  size_t bytes_;
  void* data_;
};

// `count` values of T in such memory.
template <class T>
class HostBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  HostBuffer(DeviceKind device, size_t count) : memory_(device, count * sizeof(T)) {}
  T* data() const { return static_cast<T*>(memory_.data()); }
  size_t size() const { return memory_.bytes() / sizeof(T); }
  size_t bytes() const { return memory_.bytes(); }
  T& operator[](size_t i) const { return data()[i]; }

 private:
  PinnedMemory memory_;
};

// Where the host writes what is copied to the device again and again: one buffer is filled while the other may still be
// on its way.
class UploadBuffers {
 public:
  UploadBuffers(DeviceKind device, size_t bytes);
  std::byte* next();                  // to be filled; waits for the copy before the last
  void send(Queue& queue, void* to);  // enqueues the copy of what next() gave

 private:
  struct Buffer {
    Buffer(DeviceKind device, size_t bytes) : memory(device, bytes), copied(device) {}
    HostBuffer<std::byte> memory;
    Event copied;
  };
  std::unique_ptr<Buffer> buffers_[2];
  size_t current_ = 0;
};

}  // namespace fovea
