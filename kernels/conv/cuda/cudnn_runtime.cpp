#include "kernels/conv/cuda/cudnn_runtime.h"

#include <cudnn.h>
#include <dlfcn.h>

#include "kernels/advice.h"
#include "kernels/conv/cuda/cudnn_library.h"
#include "kernels/device/cuda_check.h"
#include "kernels/device/gpu.h"

namespace fovea::cudnn {
namespace {

// A function of the library found at run time.
template <class F>
F* function(const char* name) {
  void* found = dlsym(library().loaded.handle, name);
  if (found == nullptr) throw Error(ErrorKind::Runtime, library().loaded.path + " has no " + name);
  return reinterpret_cast<F*>(found);
}

void check(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  static const auto text = function<decltype(cudnnGetErrorString)>("cudnnGetErrorString");
  const ErrorKind kind = status == CUDNN_STATUS_ALLOC_FAILED ? ErrorKind::OutOfMemory : ErrorKind::Runtime;
  throw Error(kind, std::string(call) + " failed: " + text(status));
}

// One for the process: its stream is set before each use. Never destroyed, for the driver may be gone by then.
cudnnHandle_t the_handle() {
  static cudnnHandle_t handle = [] {
    cudnnHandle_t made = nullptr;
    check(function<decltype(cudnnCreate)>("cudnnCreate")(&made), "cudnnCreate");
    return made;
  }();
  return handle;
}

bool has_device() {
  int devices = 0;
  return !Gpu::only_described() && cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0;
}

Device at_hand() {
  int index = 0;
  cudaDeviceProp properties{};
  cuda_check(cudaGetDevice(&index), "cudaGetDevice");
  cuda_check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return Device::at_hand(the_handle(), properties.name, properties.major * 10 + properties.minor);
}

cudaStream_t stream_of(const Queue& queue) { return static_cast<cudaStream_t>(queue.stream()); }

struct Event {
  cudaEvent_t event = nullptr;
  Event() { cuda_check(cudaEventCreate(&event), "cudaEventCreate"); }
  ~Event() { cudaEventDestroy(event); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
};

}  // namespace

void execute(Queue& queue, const ConvGraph& graph, const Operands& operands, void* workspace) {
  static const auto set_stream = function<decltype(cudnnSetStream)>("cudnnSetStream");
  check(set_stream(the_handle(), stream_of(queue)), "cudnnSetStream");
  try {
    graph.execute(the_handle(), operands, workspace);
  } catch (...) {
    cudaGetLastError();  // told by this exception, and no reason for a later launch to fail
    throw;
  }
}

}  // namespace fovea::cudnn

namespace fovea::conv::cuda {

const cudnn::Device& device() {
  static const cudnn::Device found = cudnn::has_device() ? cudnn::at_hand() : cudnn::Device::h200();
  return found;
}

double seconds(Queue& queue, const std::function<void()>& work) {
  const cudnn::Event start, stop;
  cuda_check(cudaEventRecord(start.event, cudnn::stream_of(queue)), "cudaEventRecord");
  work();
  cuda_check(cudaEventRecord(stop.event, cudnn::stream_of(queue)), "cudaEventRecord");
  cuda_check(cudaEventSynchronize(stop.event), "timing a convolution");
  float milliseconds = 0;
  cuda_check(cudaEventElapsedTime(&milliseconds, start.event, stop.event), "cudaEventElapsedTime");
  return milliseconds * 1e-3;
}

void* allocate(size_t bytes) {
  if (void* memory = Gpu::instance().allocate(bytes)) return memory;
  throw Error(ErrorKind::OutOfMemory, "out of GPU memory: " + std::to_string(bytes) + " bytes of packed weights; " +
                                          advise(advice::kUseLessMemory));
}

void release(void* memory) { Gpu::instance().free(memory); }

}  // namespace fovea::conv::cuda
