// In place of kernels/conv/cuda/cudnn_runtime.cpp: plans are found for the described H200, and computed by their double
// when the stream comes to them.
#include "kernels/conv/cuda/cudnn_runtime.h"

#include <cuda_runtime_api.h>

#include "kernels/conv/backend.h"
#include "kernels/device/cuda_check.h"
#include "kernels/device/gpu.h"
#include "tests/standin/operands.h"
#include "tests/standin/plan_double.h"
#include "tests/standin/standin.h"

namespace fovea::cudnn {

void execute(Queue& queue, const ConvGraph& graph, const Operands& operands, void* workspace) {
  test::check_operands(graph, operands, workspace);
  const char* name = kernels::kConvNames[static_cast<int>(graph.key().pass)];
  const auto work = [key = graph.key(), operands, workspace, bytes = graph.info().workspace] {
    test::compute(key, operands, workspace, bytes);
  };
  cuda_check(standin::enqueue(static_cast<cudaStream_t>(queue.stream()), name, work), name);
}

}  // namespace fovea::cudnn

namespace fovea::conv::cuda {

const cudnn::Device& device() {
  static const cudnn::Device h200 = cudnn::Device::h200();
  return h200;
}

double seconds(Queue&, const std::function<void()>&) {
  throw Error(ErrorKind::Runtime, "a described device was asked to time something");
}

void* allocate(size_t bytes) {
  if (void* memory = Gpu::instance().allocate(bytes)) return memory;
  throw Error(ErrorKind::OutOfMemory, "out of GPU memory: packed weights");
}
void release(void* memory) { Gpu::instance().free(memory); }

}  // namespace fovea::conv::cuda

bool fovea::test::in_device_memory(const void* memory, size_t bytes, size_t alignment) {
  return reinterpret_cast<uintptr_t>(memory) % alignment == 0 && standin::in_device_memory(memory, bytes);
}
