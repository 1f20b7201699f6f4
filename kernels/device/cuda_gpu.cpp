#include <nvtx3/nvToolsExt.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <unordered_map>
#include <utility>

#include "kernels/device/cuda_check.h"
#include "kernels/device/gpu.h"

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
  void record_in_graph(void* event, void* stream) override {
    cuda_check(cudaEventRecordWithFlags(event_of(event), stream_of(stream), cudaEventRecordExternal),
               "cudaEventRecordWithFlags");
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
  void begin_range(const char* name) noexcept override { nvtxRangePushA(name); }
  void end_range() noexcept override { nvtxRangePop(); }

  void* allocate_pinned(size_t bytes) override {
    void* memory = nullptr;
    cuda_check(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault), "cudaHostAlloc", bytes);
    return memory;
  }
  void free_pinned(void* memory) noexcept override { ignore(cudaFreeHost(memory)); }
};

// Streams, events and graphs that nobody looks into.
class DescribedGpu final : public Gpu {
 public:
  bool is_described() const override { return true; }
  void* create_stream() override { return next(1); }
  void destroy_stream(void*) noexcept override {}
  void synchronize(void*, const char*) override {}
  void copy(void*, const void*, size_t, void*) override {}
  void fill_zero(void*, size_t, void*) override {}
  void* create_event(bool) override { return next(1); }
  void destroy_event(void*) noexcept override {}
  void record(void*, void*) override {}
  void record_in_graph(void*, void*) override {}
  void wait(void*, void*) override {}
  void synchronize_event(void*, const char*) override {}
  bool reached(void*) noexcept override { return true; }
  double seconds_between(void*, void*) override { return 0; }
  void begin_capture(void*, bool) override {}
  void* end_capture(void*) override { return next(1); }
  void abandon_capture(void*) noexcept override {}
  void* instantiate(void* graph, size_t* nodes) override {
    *nodes = 0;
    return graph;
  }
  void destroy_graph(void*) noexcept override {}
  void destroy_executable(void*) noexcept override {}
  void launch(void*, void*) override {}
  void begin_range(const char*) noexcept override {}
  void end_range() noexcept override {}
  void* allocate(size_t bytes) override {
    void* memory = next(bytes);
    held_.emplace(memory, bytes);
    in_use_ += bytes;
    peak_ = std::max(peak_, in_use_);
    return memory;
  }
  void free(void* memory) noexcept override {
    const auto found = held_.find(memory);
    if (found == held_.end()) return;
    in_use_ -= found->second;
    held_.erase(found);
  }
  size_t peak() const { return peak_; }
  void* allocate_pinned(size_t bytes) override { return ::operator new(bytes, std::align_val_t{kAlignment}); }
  void free_pinned(void* memory) noexcept override { ::operator delete(memory, std::align_val_t{kAlignment}); }

 private:
  static constexpr size_t kAlignment = 256;
  void* next(size_t bytes) {
    return reinterpret_cast<void*>(std::exchange(next_, next_ + (bytes + kAlignment) / kAlignment * kAlignment));
  }
  uintptr_t next_ = uintptr_t{1} << 40;
  std::unordered_map<void*, size_t> held_;
  size_t in_use_ = 0, peak_ = 0;
};

bool all_described = false;
thread_local std::unique_ptr<DescribedGpu> beside;  // the one in use

}  // namespace

Gpu& Gpu::instance() {
  static CudaGpu gpu;
  static DescribedGpu description;
  if (beside) return *beside;
  return all_described ? static_cast<Gpu&>(description) : gpu;
}

void Gpu::describe() { all_described = true; }
bool Gpu::only_described() { return all_described; }

Gpu::Described::Described() {
  require(!beside, "a second described GPU");
  beside = std::make_unique<DescribedGpu>();
}
Gpu::Described::~Described() { beside.reset(); }
size_t Gpu::Described::peak() const { return beside->peak(); }

}  // namespace fovea
