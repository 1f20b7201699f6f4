#include "engine/layers.h"

#include "kernels/activation.h"
#include "kernels/batch_norm.h"

namespace fovea {

ConvLayer::ConvLayer(ParameterStore& store, const ConvLayerConfig& c) : config_(c), store_(&store) {
  weight_ = &store.add(c.name + ".weight", {c.out_channels, c.kernel, c.kernel, c.in_channels / c.groups},
                       ParameterRole::ConvWeight, c.trainable, c.weight_initialiser);
  if (c.bias)
    bias_ = &store.add(c.name + ".bias", {c.out_channels}, ParameterRole::Bias, c.trainable,
                       Initialiser::constant(c.bias_value));
  if (c.norm == Norm::None) return;
  const bool norm_trainable = c.trainable && c.norm != Norm::FrozenBatch;
  norm_scale_ = &store.add(c.norm_name + ".weight", {c.out_channels}, ParameterRole::NormScale, norm_trainable,
                           Initialiser::constant(c.norm_scale));
  norm_shift_ = &store.add(c.norm_name + ".bias", {c.out_channels}, ParameterRole::NormShift, norm_trainable,
                           Initialiser::constant(0));
  if (c.norm == Norm::Group) return;
  mean_ = &store.add(c.norm_name + ".running_mean", {c.out_channels}, ParameterRole::Statistic, false,
                     Initialiser::constant(0));
  variance_ = &store.add(c.norm_name + ".running_var", {c.out_channels}, ParameterRole::Statistic, false,
                         Initialiser::constant(1));
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
  require(relu, "a residual after a group norm ends in a ReLU");
  return ops::add_relu(tape, normed, add);
}

Tensor ConvLayer::forward_without_bias_gradient(Tape& tape, const Tensor& x) {
  ops::ConvArgs args = prepare(tape, false);
  args.bias_parameter = nullptr;
  return ops::conv2d(tape, x, args);
}

ops::ConvArgs ConvLayer::prepare(Tape& tape, bool fold) {
  Context& context = tape.context();
  Working& w = *working_;
  const bool direct = !fold && context.activation_dtype == DType::F32;  // the master weights themselves
  if (w.revision != store_->revision() || w.folded != fold) {
    w.revision = store_->revision();
    w.folded = fold;
    const auto out_c = config_.out_channels;
    if (direct)
      w.weight = weight_->value;
    else if (!w.weight || w.weight.id() == weight_->value.id())
      w.weight = Tensor::empty(context.memory, weight_->shape, context.activation_dtype, MemoryUse::Parameters);
    if (fold) {
      if (!w.bias) w.bias = Tensor::empty(context.memory, {out_c}, DType::F32, MemoryUse::Parameters);
      w.norm = {.out_channels = out_c,
                .weights_per_channel = weight_->shape.count() / out_c,
                .gamma = norm_scale_->value.data<float>(),
                .beta = norm_shift_->value.data<float>(),
                .mean = mean_->value.data<float>(),
                .var = variance_->value.data<float>(),
                .eps = config_.epsilon};
      dispatch(w.weight.dtype(), [&]<class T> {
        kernels::batch_norm_fold(context.queue, w.norm, weight_->value.data<float>(), w.weight.data<T>(),
                                 w.bias.data<float>());
      });
    } else if (!direct) {
      kernels::cast(context.queue, weight_->value.count(), weight_->value.data<float>(), w.weight.data<bfloat16>());
    }
    context.queue.submit("weights_changed", [version = &w.version] { ++*version; });
  }
  ops::ConvArgs args{.stride = config_.stride,
                     .pad = config_.pad,
                     .groups = config_.groups,
                     .weight = w.weight,
                     .version = &w.version};
  args.weight_parameter = weight_;
  if (fold) {
    args.bias = w.bias;
    args.fold = w.norm;
  }
  if (bias_ != nullptr) args.bias = bias_->value;
  args.bias_parameter = bias_;
  return args;
}

}  // namespace fovea
