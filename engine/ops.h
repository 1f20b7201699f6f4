// The differentiable operations. Each is a forward and, beside it, the closure of its backward. Activations are NHWC,
// fp32 or bf16; parameters and statistics are fp32.
#pragma once
#include <optional>

#include "engine/autograd.h"
#include "engine/parameters.h"
#include "kernels/batch_norm.h"

namespace fovea::ops {

// What a convolution computes with. `value` is what the parameter becomes before use: itself, cast, or folded with a
// frozen norm.
struct ConvArgs {
  int stride = 1;
  kernels::Extent pad;
  int groups = 1;
  Tensor weight;                               // OHWI in the activations' dtype
  int weight_rows = 0;                         // that lie there with zeros behind them, see kernels::ConvWeights
  const uint64_t* version = nullptr;           // of `weight`, likewise
  Tensor bias;                                 // fp32 or none
  Tensor rounded_bias;                         // see kernels::ConvForward, or none
  std::optional<kernels::BatchNormFold> fold;  // weight = parameter · s of this frozen norm; none: weight = parameter
  const Parameter* weight_parameter = nullptr;
  const Parameter* bias_parameter = nullptr;  // receives the bias gradient; nullptr: nobody does
  // The output's pixels lie weight_rows apart, with zeros behind its channels; whoever makes its gradient does
  // likewise.
  bool padded = false;
  bool relu = false;
  Tensor add;  // like the output, added before the ReLU, or none
};
Tensor conv2d(Tape& tape, const Tensor& x, const ConvArgs& args);

Tensor relu(Tape& tape, const Tensor& x);
Tensor add_relu(Tape& tape, const Tensor& a, const Tensor& b);
// Maxima of windows with stride 2.
struct PoolWindow {
  int kernel, pad;
};
inline constexpr PoolWindow kPaddedPool{3, 1}, kUnpaddedPool{3, 0}, kHalving{2, 0};  // ResNet's, Inception's, VGG's
Tensor max_pool(Tape& tape, const Tensor& x, PoolWindow window);
Tensor average_pool(Tape& tape, const Tensor& x);             // 3×3, stride 1, padded by 1 with zeros that count
Tensor concat(Tape& tape, const std::vector<Tensor>& parts);  // side by side along the channels
Tensor upsample_add(Tape& tape, const Tensor& lateral, const Tensor& coarse);  // lateral + nearest(coarse to its size)

struct BatchNormArgs {
  Parameter *scale, *shift, *running_mean, *running_var;
  float epsilon = 1e-5f, momentum = 0.1f;
  bool relu = false;
  Tensor add;  // added before the ReLU, or none
};
// Batch statistics over N, H, W, and over the context's norm_ranks; updates the running ones. For training only: in
// evaluation the norm is folded.
Tensor batch_norm(Tape& tape, const Tensor& x, const BatchNormArgs& args);

struct GroupNormArgs {
  Parameter *scale, *shift;
  int groups;
  float epsilon = 1e-5f;
  bool relu = false;
};
Tensor group_norm(Tape& tape, const Tensor& x, const GroupNormArgs& args);

}  // namespace fovea::ops
