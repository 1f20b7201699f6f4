// What follows a convolution: nothing but its bias, or a normalization.
#pragma once
#include <cstdint>

namespace fovea {

enum class Norm : uint8_t { None, FrozenBatch, Batch, Group };

}  // namespace fovea
