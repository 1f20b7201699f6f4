#include <cuda_runtime.h>

#include "benchmarks/device.h"
#include "kernels/device/cuda_check.h"

namespace fovea::bench::gpu {

namespace {
struct Event {
  cudaEvent_t event = nullptr;
  Event() { cuda_check(cudaEventCreate(&event), "cudaEventCreate"); }
  Event(const Event&) = delete;
  ~Event() { cudaEventDestroy(event); }
  void record(Queue& on) const {
    cuda_check(cudaEventRecord(event, static_cast<cudaStream_t>(on.stream())), "cudaEventRecord");
  }
};
}  // namespace

void* allocate(size_t bytes) {
  void* memory = nullptr;
  cuda_check(cudaMalloc(&memory, bytes), "cudaMalloc");
  return memory;
}

void release(void* memory) { cudaFree(memory); }

double seconds(Queue& queue, const std::function<void()>& work) {
  const Event start, stop;
  start.record(queue);
  work();
  stop.record(queue);
  queue.synchronize("the end of a timed run");
  float milliseconds = 0;
  cuda_check(cudaEventElapsedTime(&milliseconds, start.event, stop.event), "cudaEventElapsedTime");
  return 1e-3 * milliseconds;
}

}  // namespace fovea::bench::gpu
