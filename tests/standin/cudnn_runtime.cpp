// In place of kernels/cudnn_runtime.cpp: plans are found for the described H200, and calls are computed by the CPU's
// convolution in the stream's order, so that a network has the CPU target's numbers bit for bit.
#include "kernels/cudnn_runtime.h"

#include <cuda_runtime_api.h>

#include <cstdlib>
#include <string_view>

#include "kernels/conv_backend.h"
#include "kernels/cuda_check.h"
#include "tests/standin/standin.h"

namespace fovea::cudnn {
namespace {

// Runs on the CPU when the stream comes to it. Weights may have other values at each replay: their forms are not kept.
struct OnCpu {
  kernels::ConvShape shape;
  DType dtype;
  static kernels::ConvBackend& convolution() {
    static const auto backend = [] {
      const char* asked = std::getenv("FOVEA_STANDIN_CONV");
      return kernels::make_onednn_backend(asked != nullptr && asked == std::string_view("direct")
                                              ? kernels::ConvAlgorithm::Direct
                                              : kernels::ConvAlgorithm::Auto);
    }();
    return *backend;
  }
  void operator()(kernels::ConvForward args) const {
    Queue queue;
    args.weights.version = nullptr;
    convolution().forward(queue, shape, dtype, args);
  }
  void operator()(kernels::ConvBackwardData args) const {
    Queue queue;
    args.weights.version = nullptr;
    convolution().backward_data(queue, shape, dtype, args);
  }
  void operator()(const kernels::ConvBackwardWeight& args) const {
    Queue queue;
    convolution().backward_weight(queue, shape, dtype, args);
  }
};

constexpr const char* kNames[] = {"conv_forward", "conv_backward_data", "conv_backward_weight"};

}  // namespace

const Device& device() {
  static const Device h200 = Device::h200();
  return h200;
}

bool runs_contracts() { return true; }

void run_contract(Queue& queue, const ContractCall& call) {
  const char* name = kNames[call.args.index()];
  queue.submit(name, [&] {
    const auto work = [call] { std::visit(OnCpu{call.shape, call.dtype}, call.args); };
    cuda_check(standin::enqueue(static_cast<cudaStream_t>(queue.stream()), name, work), name);
  });
}

void execute(Queue&, const ConvGraph&, const Operands&, void*) { require(false, "this runtime runs whole calls"); }

double seconds(Queue&, const std::function<void()>&) {
  throw Error(ErrorKind::Runtime, "nothing is timed on a described device");
}

void* allocate(size_t bytes) {
  void* memory = nullptr;
  cuda_check(cudaMalloc(&memory, bytes), "cudaMalloc");
  return memory;
}
void release(void* memory) { cudaFree(memory); }

}  // namespace fovea::cudnn
