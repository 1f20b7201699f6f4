// Where a benchmark runs: its queue, its buffers and its clock, on the CPU or on a GPU.
#pragma once
#include <cstdint>
#include <ctime>
#include <functional>
#include <span>
#include <vector>

#include "kernels/device/queue.h"
#include "kernels/error.h"

namespace fovea::bench {

// What a GPU has of its own (cuda_device.cpp); a build without CUDA has no queue on one.
namespace gpu {
void* allocate(size_t bytes);
void release(void* memory);
double seconds(Queue& queue, const std::function<void()>& work);  // between two events of the queue
}  // namespace gpu

// The memory of the device that a queue runs on; `n` elements, or a copy of host values.
template <class T>
class Buffer {
 public:
  Buffer(Queue& queue, size_t n) : queue_(queue), size_(n) {
    if (queue.on_cuda()) {
      data_ = static_cast<T*>(gpu::allocate(n * sizeof(T)));
    } else {
      host_.resize(n);
      data_ = host_.data();
    }
    queue.fill_zero(data_, n * sizeof(T));
  }
  Buffer(Queue& queue, const std::vector<T>& values) : Buffer(queue, values.size()) { set(values); }
  ~Buffer() {
    if (queue_.on_cuda()) gpu::release(data_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  void set(const std::vector<T>& values) {
    queue_.copy(data_, values.data(), size_ * sizeof(T));
    queue_.synchronize("the copy of a benchmark's input");
  }
  std::vector<T> values() const {
    std::vector<T> values(size_);
    queue_.copy(values.data(), data_, size_ * sizeof(T));
    queue_.synchronize("the copy of a benchmark's result");
    return values;
  }
  T front() const { return values().front(); }

 private:
  Queue& queue_;
  size_t size_;
  T* data_ = nullptr;
  std::vector<T> host_;
};

// Seconds that the work of a queue takes. On a GPU between two events, after its L2 cache was filled with something
// else.
class Stopwatch {
 public:
  // cpu_time: of one thread, its CPU time, that is the rate of a core, for a machine that is busy with other work.
  Stopwatch(Queue& queue, bool cpu_time)
      : queue_(queue), cpu_time_(cpu_time), flush_(queue, queue.on_cuda() ? kFlush : 0) {}

  template <class Work>
  double seconds(const Work& work) {
    if (queue_.on_cuda()) {
      queue_.fill_zero(flush_.data(), flush_.size());
      return gpu::seconds(queue_, work);
    }
    const double start = now();
    work();
    return now() - start;
  }

 private:
  static constexpr size_t kFlush = size_t{256} << 20;
  double now() const {
    timespec time;
    clock_gettime(cpu_time_ ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }

  Queue& queue_;
  bool cpu_time_;
  Buffer<char> flush_;
};

}  // namespace fovea::bench
