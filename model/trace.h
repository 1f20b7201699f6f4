// The convolutions of a network, listed without computing them.
#pragma once
#include <vector>

#include "model/retinanet.h"

namespace fovea {

// Of one forward pass over `images` ([N, H, W, 3]), in order; `training`: with the gradients that backward would
// compute. The pass is recorded, which runs no arithmetic, and leaves the network as it was.
std::vector<ConvTrace> traced_layers(Context& context, RetinaNet& model, const Shape& images, bool training);

}  // namespace fovea
