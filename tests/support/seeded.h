// Seeded inputs, buffers with sentinels around them, and the ways to run a kernel.
#pragma once
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "kernels/device/queue.h"
#include "tests/support/catch.h"
#include "tests/support/device_memory.h"

namespace fovea::test {

// n values of T, uniform in [low, high), rounded to T.
template <class T>
std::vector<T> seeded_uniform(size_t n, uint64_t seed, float low = -1.f, float high = 1.f) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<T> values(n);
  for (T& v : values) v = static_cast<T>(uniform(random));
  return values;
}

// A buffer whose surroundings are checked for stray writes when it goes. Filled with 0xff (NaN) before use.
template <class T>
class Guarded {
 public:
  // Not inlined: g++ 12 sees a size of −2·kGuard there that cannot be, and warns.
  [[gnu::noinline]] explicit Guarded(size_t n) : n_(n), bytes_(n * sizeof(T) + 2 * kGuard, kSentinel) {
    std::memset(static_cast<void*>(data()), 0xff, n * sizeof(T));
  }
  Guarded(const std::vector<T>& values) : Guarded(values.size()) {  // NOLINT(google-explicit-constructor)
    if (n_ > 0) std::memcpy(static_cast<void*>(data()), values.data(), n_ * sizeof(T));
  }
  ~Guarded() { CHECK(intact()); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  using value_type = T;
  T* data() { return reinterpret_cast<T*>(bytes_.data() + kGuard); }
  size_t size() const { return n_; }
  std::vector<T> values() { return std::vector<T>(data(), data() + n_); }
  bool intact() const {
    for (size_t i = 0; i < kGuard; ++i)
      if (bytes_[i] != kSentinel || bytes_[bytes_.size() - 1 - i] != kSentinel) return false;
    return true;
  }

 private:
  static constexpr size_t kGuard = 4096;  // bytes: several pixels, as what writes too many of them writes
  static constexpr unsigned char kSentinel = 0xa5;
  size_t n_;
  std::vector<unsigned char> bytes_;
};

// Runs body(queue) in every way that test_device() has; CAPTUREs which.
template <class Body>
void for_each_way_to_run(const Body& body) {
  if (test_device() == DeviceKind::Cuda) {
    TestQueue queue;
    return body(queue);
  }
  for (const ExecutionMode way : {ExecutionMode::Vectorized, ExecutionMode::FibersInOrder,
                                  ExecutionMode::FibersReversed, ExecutionMode::FibersShuffled}) {
    const int way_to_run = static_cast<int>(way);
    CAPTURE(way_to_run);
    Queue queue;
    queue.set_execution_mode(way, 17);
    body(queue);
  }
}

}  // namespace fovea::test
