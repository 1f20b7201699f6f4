// Kernel tests on a GPU: with FOVEA_TEST_DEVICE=cuda their queues are the GPU's, and what operator new gives is memory
// of the host that the GPU reaches too, so that a test hands a kernel its vectors as it does on the CPU.
#pragma once
#include <memory>

#include "kernels/device/queue.h"

namespace fovea::test {

// Cpu unless FOVEA_TEST_DEVICE=cuda. Error(Usage) where it is anything else.
DeviceKind test_device();

// From here on operator new takes the memory of test_device(). Called by main().
// Error(Usage) where that is Cuda and the build has no CUDA.
void use_device_memory();

// One value where the device reaches it, which a variable on the stack is not.
template <class T>
class Single {
 public:
  Single(T value = {}) : value_(std::make_unique<T>(value)) {}  // NOLINT(google-explicit-constructor)
  Single& operator=(T value) { return *value_ = value, *this; }
  operator T() const { return *value_; }         // NOLINT(google-explicit-constructor)
  T* operator&() const { return value_.get(); }  // NOLINT(google-runtime-operator): it stands for the value

 private:
  std::unique_ptr<T> value_;
};

// A queue of test_device(), on which each call is done when it returns.
class TestQueue : public Queue {
 public:
  TestQueue() : Queue(test_device()) { set_blocking(true); }
};

}  // namespace fovea::test
