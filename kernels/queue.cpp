#include "kernels/queue.h"

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "kernels/host_memory.h"

#if defined(FOVEA_HAS_CUDA)
#include "kernels/cuda_check.h"
#endif

namespace fovea {

void Recording::replay() const {
  for (const Step& step : steps_) step.work();
}

#if defined(FOVEA_HAS_CUDA)
Queue::Queue(DeviceKind device) : device_(device) {
  if (on_cuda())
    cuda_check(cudaStreamCreateWithFlags(reinterpret_cast<cudaStream_t*>(&stream_), cudaStreamNonBlocking),
               "cudaStreamCreate");
}

Queue::~Queue() {
  if (on_cuda()) {
    cudaFree(workspace_);
    cudaStreamDestroy(static_cast<cudaStream_t>(stream_));
  } else {
    std::free(workspace_);
  }
}
#else
Queue::Queue(DeviceKind device) : device_(device) {
  if (on_cuda())
    throw Error(ErrorKind::Runtime, "this build has no CUDA: configure with -DFOVEA_CUDA=ON, or use --device cpu");
}

Queue::~Queue() { std::free(workspace_); }
#endif

void Queue::copy(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
#if defined(FOVEA_HAS_CUDA)
  if (on_cuda()) {
    cuda_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, static_cast<cudaStream_t>(stream_)),
               "cudaMemcpyAsync");
    return;
  }
#endif
  submit("copy", [to, from, bytes] { std::memcpy(to, from, bytes); });
}

void Queue::fill_zero(void* to, size_t bytes) {
  if (bytes == 0) return;
#if defined(FOVEA_HAS_CUDA)
  if (on_cuda()) {
    cuda_check(cudaMemsetAsync(to, 0, bytes, static_cast<cudaStream_t>(stream_)), "cudaMemsetAsync");
    return;
  }
#endif
  submit("fill_zero", [to, bytes] { std::memset(to, 0, bytes); });
}

void Queue::synchronize(const char* why) const {
  if (recording()) throw Error(ErrorKind::Runtime, std::string("a recorded step must not wait on the host: ") + why);
#if defined(FOVEA_HAS_CUDA)
  if (on_cuda()) cuda_check(cudaStreamSynchronize(static_cast<cudaStream_t>(stream_)), why);
#endif
}

Recording Queue::record(const std::function<void()>& body) {
  require(!on_cuda(), "recording on the GPU is a CUDA graph");
  require(!recording(), "a recording is already under way");
  Recording recording;
  recording_ = &recording;
  struct Stop {
    Recording*& target;
    ~Stop() { target = nullptr; }
  } stop{recording_};
  body();
  return recording;
}

void* Queue::workspace(size_t bytes) {
  if (bytes <= workspace_bytes_) return workspace_;
  bytes = (bytes + 4095) / 4096 * 4096;
#if defined(FOVEA_HAS_CUDA)
  if (on_cuda()) {
    synchronize("growing the workspace");
    cuda_check(cudaFree(workspace_), "cudaFree");
    workspace_ = nullptr;
    workspace_bytes_ = 0;
    cuda_check(cudaMalloc(&workspace_, bytes), "cudaMalloc of the workspace");
    workspace_bytes_ = bytes;
    return workspace_;
  }
#endif
  std::free(workspace_);
  workspace_bytes_ = 0;
  workspace_ = kernels::allocate_host(bytes);
  if (workspace_ == nullptr)
    throw Error(ErrorKind::OutOfMemory, "out of memory: workspace of " + std::to_string(bytes) + " bytes");
  workspace_bytes_ = bytes;
  return workspace_;
}

void Queue::run_profiled(const char* name, const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  auto& entry = profile_->entries[name];
  ++entry.calls;
  entry.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace fovea
