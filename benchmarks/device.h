// Where a benchmark runs: its queue, its buffers and its clock, on the CPU or on a GPU.
#pragma once
#include <cstdint>
#include <ctime>
#include <span>
#include <vector>

#include "kernels/queue.h"

#if defined(FOVEA_HAS_CUDA)
#include "kernels/cuda_check.h"
#endif

namespace fovea::bench {

// The memory of the device that a queue runs on; `n` elements, or a copy of host values.
template <class T>
class Buffer {
 public:
  Buffer(Queue& queue, size_t n) : queue_(queue), size_(n) {
    if (!queue.on_cuda()) {
      host_.resize(n);
      data_ = host_.data();
    }
#if defined(FOVEA_HAS_CUDA)
    if (queue.on_cuda()) cuda_check(cudaMalloc(reinterpret_cast<void**>(&data_), n * sizeof(T)), "cudaMalloc");
#endif
    queue.fill_zero(data_, n * sizeof(T));
  }
  Buffer(Queue& queue, const std::vector<T>& values) : Buffer(queue, values.size()) { set(values); }
  ~Buffer() {
#if defined(FOVEA_HAS_CUDA)
    if (queue_.on_cuda()) cudaFree(data_);
#endif
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
      : queue_(queue), cpu_time_(cpu_time), flush_(queue, queue.on_cuda() ? kFlush : 0) {
#if defined(FOVEA_HAS_CUDA)
    if (queue.on_cuda())
      for (cudaEvent_t& event : events_) cuda_check(cudaEventCreate(&event), "cudaEventCreate");
#endif
  }
  ~Stopwatch() {
#if defined(FOVEA_HAS_CUDA)
    if (queue_.on_cuda())
      for (cudaEvent_t event : events_) cudaEventDestroy(event);
#endif
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  template <class Work>
  double seconds(const Work& work) {
#if defined(FOVEA_HAS_CUDA)
    if (queue_.on_cuda()) {
      const auto stream = static_cast<cudaStream_t>(queue_.stream());
      queue_.fill_zero(flush_.data(), flush_.size());
      cuda_check(cudaEventRecord(events_[0], stream), "cudaEventRecord");
      work();
      cuda_check(cudaEventRecord(events_[1], stream), "cudaEventRecord");
      queue_.synchronize("the end of a timed run");
      float milliseconds = 0;
      cuda_check(cudaEventElapsedTime(&milliseconds, events_[0], events_[1]), "cudaEventElapsedTime");
      return 1e-3 * milliseconds;
    }
#endif
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
#if defined(FOVEA_HAS_CUDA)
  cudaEvent_t events_[2] = {};
#endif
};

}  // namespace fovea::bench
