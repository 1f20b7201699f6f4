// The table of what computes a network's convolutions on a GPU, cuDNN's plans and cuBLASLt's matmuls:
// `fovea info --plans`, and the test that holds it in CI.
#pragma once
#include <string>
#include <vector>

#include "engine/context.h"

namespace fovea {

// The plans of one pass of one kind of layer; layers alike are listed once, under the name of the first.
struct LayerPlans {
  ConvTrace layer;
  DType dtype;
  kernels::ConvPass pass;
  std::vector<kernels::ConvPlan> plans;  // the one that is used first
};

// Of the layers listed, at `batch` images, forward and both gradients. Skips what `known` holds, and adds to it.
void plan_layers(kernels::Convolution& convolution, const std::vector<ConvTrace>& layers, DType dtype, int batch,
                 std::vector<LayerPlans>& known);

std::string plan_table(const std::vector<LayerPlans>& plans);

}  // namespace fovea
