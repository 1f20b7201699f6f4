#include "kernels/cuda_check.h"
#include "kernels/gpu.h"

namespace fovea {
namespace {

cudaStream_t stream_of(void* stream) { return static_cast<cudaStream_t>(stream); }
cudaEvent_t event_of(void* event) { return static_cast<cudaEvent_t>(event); }

// Of calls that release something, mostly while an error is already on its way: that one is told, not the next.
void ignore(cudaError_t status) {
  if (status != cudaSuccess) cudaGetLastError();
}

class CudaGpu final : public Gpu {
 public:
  void* create_stream() override {
    cudaStream_t stream = nullptr;
    cuda_check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    return stream;
  }
  void destroy_stream(void* stream) noexcept override { ignore(cudaStreamDestroy(stream_of(stream))); }
  void synchronize(void* stream, const char* why) override {
    const cudaError_t status = cudaStreamSynchronize(stream_of(stream));
    if (status != cudaSuccess) throw cuda_error(status, std::string("cudaStreamSynchronize for ") + why);
  }
  void copy(void* to, const void* from, size_t bytes, void* stream) override {
    cuda_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_of(stream)), "cudaMemcpyAsync", bytes);
  }
  void fill_zero(void* to, size_t bytes, void* stream) override {
    cuda_check(cudaMemsetAsync(to, 0, bytes, stream_of(stream)), "cudaMemsetAsync", bytes);
  }

  void* create_event(bool timed) override {
    cudaEvent_t event = nullptr;
    cuda_check(cudaEventCreateWithFlags(&event, timed ? cudaEventDefault : cudaEventDisableTiming),
               "cudaEventCreateWithFlags");
    return event;
  }
  void destroy_event(void* event) noexcept override { ignore(cudaEventDestroy(event_of(event))); }
  void record(void* event, void* stream) override {
    cuda_check(cudaEventRecord(event_of(event), stream_of(stream)), "cudaEventRecord");
  }
  void wait(void* stream, void* event) override {
    cuda_check(cudaStreamWaitEvent(stream_of(stream), event_of(event), 0), "cudaStreamWaitEvent");
  }
  void synchronize_event(void* event, const char* why) override {
    const cudaError_t status = cudaEventSynchronize(event_of(event));
    if (status != cudaSuccess) throw cuda_error(status, std::string("cudaEventSynchronize for ") + why);
  }
  bool reached(void* event) noexcept override {
    const cudaError_t status = cudaEventQuery(event_of(event));
    ignore(status);
    return status != cudaErrorNotReady;
  }
  double seconds_between(void* begin, void* end) override {
    float milliseconds = 0;
    cuda_check(cudaEventElapsedTime(&milliseconds, event_of(begin), event_of(end)), "cudaEventElapsedTime");
    return double{milliseconds} / 1e3;
  }

  void begin_capture(void* stream, bool strict) override {
    cuda_check(cudaStreamBeginCapture(stream_of(stream),
                                      strict ? cudaStreamCaptureModeThreadLocal : cudaStreamCaptureModeRelaxed),
               "cudaStreamBeginCapture");
  }
  void* end_capture(void* stream) override {
    cudaGraph_t graph = nullptr;
    cuda_check(cudaStreamEndCapture(stream_of(stream), &graph), "cudaStreamEndCapture");
    return graph;
  }
  void abandon_capture(void* stream) noexcept override {
    cudaGraph_t graph = nullptr;
    ignore(cudaStreamEndCapture(stream_of(stream), &graph));
    if (graph != nullptr) destroy_graph(graph);
  }
  void* instantiate(void* graph, size_t* nodes) override {
    cudaGraphExec_t executable = nullptr;
    cudaError_t status = cudaGraphGetNodes(static_cast<cudaGraph_t>(graph), nullptr, nodes);
    if (status == cudaSuccess) status = cudaGraphInstantiate(&executable, static_cast<cudaGraph_t>(graph), 0);
    destroy_graph(graph);
    if (status != cudaSuccess) throw cuda_error(status, "cudaGraphInstantiate of " + std::to_string(*nodes) + " nodes");
    return executable;
  }
  void destroy_graph(void* graph) noexcept override { ignore(cudaGraphDestroy(static_cast<cudaGraph_t>(graph))); }
  void destroy_executable(void* executable) noexcept override {
    ignore(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(executable)));
  }
  void launch(void* executable, void* stream) override {
    cuda_check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(executable), stream_of(stream)), "cudaGraphLaunch");
  }

  void* allocate(size_t bytes) override {
    void* memory = nullptr;
    const cudaError_t status = cudaMalloc(&memory, bytes);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // the caller may free something and try again
      return nullptr;
    }
    cuda_check(status, "cudaMalloc", bytes);
    return memory;
  }
  void free(void* memory) noexcept override { ignore(cudaFree(memory)); }
  void* allocate_pinned(size_t bytes) override {
    void* memory = nullptr;
    cuda_check(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault), "cudaHostAlloc", bytes);
    return memory;
  }
  void free_pinned(void* memory) noexcept override { ignore(cudaFreeHost(memory)); }
};

}  // namespace

Gpu& Gpu::instance() {
  static CudaGpu gpu;
  return gpu;
}

}  // namespace fovea
