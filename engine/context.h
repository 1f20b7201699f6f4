// What every op needs: the queue, its memory, its convolution plans, and the dtype of activations.
#pragma once
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "kernels/conv/conv.h"
#include "kernels/device/memory.h"
#include "kernels/device/queue.h"
#include "kernels/device/recordings.h"

namespace fovea {

class Communicator;
class OpGraph;

// TF32: tensors in fp32, which a GPU's convolutions multiply with 10 bits of mantissa. Elsewhere it is F32.
enum class Precision : uint8_t { Auto, F32, TF32, BF16 };

// One convolution that ran, for tables of layers.
struct ConvTrace {
  std::string name;  // of the weight parameter
  kernels::ConvShape shape;
  kernels::ConvFusion fusion{};
  bool weight_gradient = false, data_gradient = false;  // that backward will compute
  // Whether another layer may mask the gradient of its output (ReLU), and whether it so masks that of its input.
  bool offers_mask = false, takes_mask = false;
};

struct Context {
  // Precision::Auto: bf16 where the device is faster with it. Throws Error(Usage) where it has none.
  explicit Context(DeviceKind device = DeviceKind::Cpu, Precision precision = Precision::F32,
                   kernels::ConvAlgorithm algorithm = kernels::ConvAlgorithm::Auto);

  std::string arithmetic() const;  // "fp32", "fp32 by TF32", "bf16"
  Tensor empty(Shape shape, DType dtype) { return Tensor::empty(memory, std::move(shape), dtype); }

  Queue queue;
  Allocator& memory = queue.memory();
  Recordings& recordings = queue.recordings();
  kernels::Convolution convolution;
  DType activation_dtype;
  bool tf32 = false;  // convolutions use it
  // The ranks that train together; nullptr: this process alone. And those that share the statistics of batch norms.
  Communicator *ranks = nullptr, *norm_ranks = nullptr;
  std::vector<ConvTrace>* trace = nullptr;  // where given, forward convolutions are listed
  OpGraph* graph = nullptr;                 // where given, forward operations add themselves
};

}  // namespace fovea
