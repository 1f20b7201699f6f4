// What every op needs: the queue, its memory, its convolution plans, and the dtype of activations.
#pragma once
#include <string>
#include <vector>

#include "engine/memory.h"
#include "engine/tensor.h"
#include "kernels/conv.h"
#include "kernels/queue.h"

namespace fovea {

class Communicator;

enum class Precision : uint8_t { Auto, F32, BF16 };

// One convolution that ran, for tables of layers.
struct ConvTrace {
  std::string name;  // of the weight parameter
  kernels::ConvShape shape;
  kernels::ConvFusion fusion{};
  bool weight_gradient = false, data_gradient = false;  // that backward will compute
};

struct Context {
  explicit Context(DeviceKind device = DeviceKind::Cpu, Precision precision = Precision::F32,
                   kernels::ConvAlgorithm algorithm = kernels::ConvAlgorithm::Auto)
      : queue(device), memory(queue), convolution(algorithm), activation_dtype(resolve(device, precision)) {}

  Tensor empty(Shape shape, DType dtype) { return Tensor::empty(memory, std::move(shape), dtype); }

  Queue queue;
  Allocator memory;
  kernels::Convolution convolution;
  DType activation_dtype;
  // The ranks that train together; nullptr: this process alone. And those that share the statistics of batch norms.
  Communicator *ranks = nullptr, *norm_ranks = nullptr;
  std::vector<ConvTrace>* trace = nullptr;  // where given, forward convolutions are listed

 private:
  // Auto: bf16 where it is the faster one.
  static DType resolve(DeviceKind device, Precision precision) {
    if (precision == Precision::Auto)
      precision = device == DeviceKind::Cuda || kernels::cpu_has_fast_bf16() ? Precision::BF16 : Precision::F32;
    return precision == Precision::BF16 ? DType::BF16 : DType::F32;
  }
};

}  // namespace fovea
