// Device memory of random values, for timing.
#pragma once
#include <algorithm>
#include <random>
#include <vector>

#include "kernels/bfloat16.h"
#include "kernels/cudnn_runtime.h"
#include "kernels/dtype.h"
#include "kernels/queue.h"

namespace fovea::cudnn {

// Random, for zeros take less power, and so less time. nullptr where `count` is 0.
class RandomTensor {
 public:
  RandomTensor(Queue& queue, int64_t count, DType dtype) {
    const size_t bytes = static_cast<size_t>(count) * size_of(dtype);
    if (bytes == 0) return;
    memory_ = allocate(bytes);
    const std::vector<char>& values = dtype == DType::F32 ? random_values<float>() : random_values<bfloat16>();
    for (size_t at = 0; at < bytes; at += kRandomBytes)
      queue.copy(static_cast<char*>(memory_) + at, values.data(), std::min(kRandomBytes, bytes - at));
  }
  ~RandomTensor() { release(memory_); }
  RandomTensor(const RandomTensor&) = delete;
  RandomTensor& operator=(const RandomTensor&) = delete;
  void* data() const { return memory_; }

 private:
  static constexpr size_t kRandomBytes = size_t{4} << 20;
  template <class T>
  static const std::vector<char>& random_values() {
    static const std::vector<char> bytes = [] {
      std::vector<char> made(kRandomBytes);
      std::mt19937 random(1);
      std::uniform_real_distribution<float> uniform(-1.f, 1.f);
      for (size_t i = 0; i < kRandomBytes / sizeof(T); ++i) reinterpret_cast<T*>(made.data())[i] = T(uniform(random));
      return made;
    }();
    return bytes;
  }
  void* memory_ = nullptr;
};

}  // namespace fovea::cudnn
