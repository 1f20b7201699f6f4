// Device memory of random values, for timing.
#pragma once
#include <memory>

#include "kernels/conv/cuda/cudnn_runtime.h"
#include "kernels/launch/dtype.h"
#include "kernels/random_fill.h"

namespace fovea::conv::cuda {

// Random, for zeros take less power, and so less time; made where it is needed. nullptr where `count` is 0.
class RandomTensor {
 public:
  RandomTensor(Queue& queue, int64_t count, DType dtype) {
    if (count == 0) return;
    memory_.reset(allocate(static_cast<size_t>(count) * size_of(dtype)));
    dispatch(dtype, [&]<class T> { kernels::fill_random(queue, count, kSeed, static_cast<T*>(data())); });
  }
  void* data() const { return memory_.get(); }

 private:
  static constexpr uint32_t kSeed = 1;
  std::unique_ptr<void, void (*)(void*)> memory_{nullptr, release};
};

}  // namespace fovea::conv::cuda
