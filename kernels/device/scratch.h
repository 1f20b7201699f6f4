// Several buffers in one workspace, of a queue or of a caller: asked for first, allocated together.
//   Scratch scratch;  const auto sums = scratch.add<float>(n);  scratch.allocate(queue);  float* s = sums(scratch);
#pragma once
#include <cstddef>

#include "kernels/device/queue.h"

namespace fovea::kernels {

class Scratch {
 public:
  template <class T>
  struct Part {
    size_t offset;
    T* operator()(const Scratch& scratch) const { return reinterpret_cast<T*>(scratch.base_ + offset); }
  };

  template <class T>
  Part<T> add(size_t count) {
    const Part<T> part{bytes_};
    bytes_ += (count * sizeof(T) + 63) / 64 * 64;
    return part;
  }
  void allocate(Queue& queue) { place(queue.workspace(bytes_)); }
  // In memory of the caller, bytes() long. The first part is aligned as that is, the others to 64 bytes.
  void place(void* memory) { base_ = static_cast<char*>(memory); }
  size_t bytes() const { return bytes_; }

 private:
  char* base_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace fovea::kernels
