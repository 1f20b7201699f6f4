// The performance model: what a training step and a detection must take at least on a device, layer by layer, from
// their FLOP and bytes. A measured run is compared with it line by line (docs/performance-model.md).
#pragma once
#include <string>
#include <vector>

#include "engine/context.h"
#include "model/retinanet.h"

namespace fovea {

struct RooflineDevice {
  std::string name;
  double flop_per_second = 0;   // of bf16 products, as a large matrix product reaches
  double bytes_per_second = 0;  // as a copy on the device reaches, read and written
};
// NVIDIA H200: 790 TFLOP/s and 4.3 TB/s, measured with PyTorch.
RooflineDevice h200_roofline();

struct Cost {
  double flop = 0, bytes = 0;
  double seconds(const RooflineDevice& device) const;  // the longer of the two
};

// One convolution of one level, or one pass over much memory, in bf16. Passes that it does not have cost nothing.
struct LayerCost {
  std::string name;
  Cost forward;
  Cost mask;  // ReLU's mask on the gradient, and the bias gradient in the same pass
  Cost data_gradient, weight_gradient;
  Cost training() const;  // all four together; not to be asked for its seconds, they are not one launch
  double training_seconds(const RooflineDevice& device) const;
};

// `training`: the trace of a training pass's forward (Context::trace). Behind the layers come the losses and the
// optimizer, which writes the bf16 copy of the weights too. Left out: pooling, upsampling, norms that are not frozen,
// matching, NMS: a few percent.
std::vector<LayerCost> layer_costs(const std::vector<ConvTrace>& training, const RetinaNet& model);

std::string roofline_table(const std::vector<LayerCost>& costs, const RooflineDevice& device, int batch);

}  // namespace fovea
