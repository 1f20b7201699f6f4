// Packed forms of weights on the GPU (PackedWeights::get), and the bias in the dtype of the activations, kept alike.
#pragma once
#include "kernels/conv/conv_passes.h"
#include "kernels/conv/packed_weights.h"

namespace fovea::kernels {

enum WeightLayout : int { kPadded, kSpaceToDepth, kBias };

// The bias [channels] in T: as the caller keeps it, or kept between calls as long as the weights' version, or in
// `scratch`.
template <class T>
const void* packed_bias(Queue& queue, PackedWeights& packed, int channels, const ConvForward& args, T* scratch) {
  if constexpr (std::is_same_v<T, float>) return args.bias;
  if (args.rounded_bias != nullptr) return args.rounded_bias;
  return packed.get(
      {args.bias, args.weights.version}, kBias, channels * sizeof(T), scratch,
      [&](void* to) { pad_channels(queue, 1, 1, channels, channels, args.bias, static_cast<T*>(to)); },
      queue.capture_number());
}

}  // namespace fovea::kernels
