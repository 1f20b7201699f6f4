// What convolution on a GPU needs a real device for beside cublaslt_runtime.h, and nothing else. An interface that is
// chosen at link time: cudnn_runtime.cpp runs plans through cuDNN; an executable that defines these functions itself
// (all of them) gets its own, which is how tests run the host's side of the CUDA build on machines without a GPU.
#pragma once
#include <cstddef>
#include <functional>

#include "kernels/conv/cuda/cudnn_graphs.h"

namespace fovea::cudnn {

// Runs the plan on the queue's stream, or hands it to the graph that is being captured.
void execute(Queue& queue, const ConvGraph& graph, const Operands& operands, void* workspace);

}  // namespace fovea::cudnn

// What cuBLASLt's matmuls need too.
namespace fovea::conv::cuda {

// The device that plans are for: the one at hand, or where there is none the described H200.
const cudnn::Device& device();

// Seconds that what `work` puts on the queue takes, run once. Waits for the device; throws where the work fails.
double seconds(Queue& queue, const std::function<void()>& work);

// Memory of the device that is kept between calls. Throws Error(OutOfMemory).
void* allocate(size_t bytes);
void release(void* memory);

}  // namespace fovea::conv::cuda
