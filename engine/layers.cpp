#include "engine/layers.h"

namespace fovea {

ConvLayer::ConvLayer(ParameterStore& store, const ConvLayerConfig& c) : config_(c), store_(&store) {
  weight_ = &store.add(c.name + ".weight", {c.out_channels, c.kernel.h, c.kernel.w, c.in_channels / c.groups},
                       ParameterRole::ConvWeight, c.trainable, c.weight_initializer);
  if (c.bias)
    bias_ = &store.add(c.name + ".bias", {c.out_channels}, ParameterRole::Bias, c.trainable,
                       Initializer::constant(c.bias_value));
  std::optional<FoldableNorm> foldable;
  const bool norm_trainable = c.trainable && c.norm != Norm::FrozenBatch;
  if (c.norm != Norm::None) {
    norm_scale_ = &store.add(c.norm_name + ".weight", {c.out_channels}, ParameterRole::NormScale, norm_trainable,
                             Initializer::constant(c.norm_scale));
    norm_shift_ = &store.add(c.norm_name + ".bias", {c.out_channels}, ParameterRole::NormShift, norm_trainable,
                             Initializer::constant(0));
  }
  if (c.norm == Norm::Batch || c.norm == Norm::FrozenBatch) {
    mean_ = &store.add(c.norm_name + ".running_mean", {c.out_channels}, ParameterRole::Statistic, false,
                       Initializer::constant(0));
    variance_ = &store.add(c.norm_name + ".running_var", {c.out_channels}, ParameterRole::Statistic, false,
                           Initializer::constant(1));
    foldable = FoldableNorm{norm_scale_, norm_shift_, mean_, variance_, c.epsilon};
  }
  store.add_working(*weight_, bias_, foldable, /*folds_in_training=*/foldable && !norm_trainable);
}

Tensor ConvLayer::forward(Tape& tape, const Tensor& x, bool relu, const Tensor& add) {
  const bool batch_statistics = config_.norm == Norm::Batch && config_.trainable && tape.training();
  const bool folds = (config_.norm == Norm::Batch || config_.norm == Norm::FrozenBatch) && !batch_statistics;
  ops::ConvArgs args = prepare(tape, folds);
  if (config_.norm == Norm::None || folds) {
    args.relu = relu;
    args.add = add;
    return ops::conv2d(tape, x, args);
  }
  const Tensor y = ops::conv2d(tape, x, args);
  if (batch_statistics)
    return ops::batch_norm(tape, y,
                           {.scale = norm_scale_,
                            .shift = norm_shift_,
                            .running_mean = mean_,
                            .running_var = variance_,
                            .epsilon = config_.epsilon,
                            .relu = relu,
                            .add = add});
  const Tensor normed = ops::group_norm(tape, y,
                                        {.scale = norm_scale_,
                                         .shift = norm_shift_,
                                         .groups = config_.norm_groups,
                                         .epsilon = config_.epsilon,
                                         .relu = relu && !add});
  if (!add) return normed;
  require(relu, "a residual after a group norm without a ReLU");
  return ops::add_relu(tape, normed, add);
}

Tensor ConvLayer::forward_to_loss(Tape& tape, const Tensor& x) {
  ops::ConvArgs args = prepare(tape, false);
  args.bias_parameter = nullptr;
  args.padded = true;
  return ops::conv2d(tape, x, args);
}

ops::ConvArgs ConvLayer::prepare(Tape& tape, bool fold) {
  WorkingWeight& working = *weight_->working;
  working.prepare(tape.context(), store_->revision(), fold);
  ops::ConvArgs args{.stride = config_.stride,
                     .pad = config_.pad,
                     .groups = config_.groups,
                     .weight = working.value(),
                     .weight_rows = working.rows(),
                     .version = working.version()};
  args.weight_parameter = weight_;
  if (fold) {
    args.bias = working.bias();
    args.fold = working.fold();
  }
  if (bias_ != nullptr && !fold) args.bias = bias_->value;
  args.rounded_bias = working.rounded_bias();
  args.bias_parameter = bias_;
  return args;
}

}  // namespace fovea
