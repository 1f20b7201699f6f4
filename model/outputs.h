// What the heads give.
#pragma once
#include <vector>

#include "engine/tensor.h"

namespace fovea {

// One tensor a level: logits [N, H, W, A·K], deltas [N, H, W, A·4].
struct Outputs {
  std::vector<Tensor> logits, deltas;
};

}  // namespace fovea
