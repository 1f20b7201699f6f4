// Packed forms of weights on the GPU (PackedWeights::get), and the bias in the dtype of the activations, kept alike.
#pragma once
#include "kernels/conv_parts.h"
#include "kernels/conv_weights.h"

namespace fovea::kernels {

enum WeightForm : int { kPadded, kFolded, kBias };

// The bias [channels] in T: as it is, or kept between calls as long as the weights' version, or in `scratch`.
template <class T>
const void* packed_bias(Queue& queue, PackedWeights& packed, int channels, const float* bias,
                        const ConvWeights& weights, T* scratch) {
  if constexpr (std::is_same_v<T, float>) return bias;
  return packed.get({bias, weights.version}, kBias, channels * sizeof(T), scratch,
                    [&](void* to) { pad_channels(queue, 1, 1, channels, channels, bias, static_cast<T*>(to)); });
}

}  // namespace fovea::kernels
