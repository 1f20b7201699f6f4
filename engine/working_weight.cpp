#include "engine/working_weight.h"

#include "engine/parameters.h"
#include "kernels/activation.h"
#include "kernels/launch/math.h"

namespace fovea {

namespace {
bool is_master(const Context& context, bool folded) { return !folded && context.activation_dtype == DType::F32; }
}  // namespace

void WorkingWeight::allocate(Context& context) {
  const int out_channels = static_cast<int>(weight_->shape[0]);
  if (!own_) {
    const bool pads = context.queue.on_cuda() && context.activation_dtype == DType::BF16;
    constexpr int kMultiple = kernels::kChannelMultiple;
    rows_ = pads ? round_up(out_channels, kMultiple) : out_channels;
    const int64_t per_row = weight_->shape.count() / out_channels;
    own_ = Tensor::zeros(context.memory, {rows_ * per_row}, context.activation_dtype, MemoryUse::Parameters)
               .view(weight_->shape, 0);
    if (pads && (norm_ || own_bias_ != nullptr))
      rounded_bias_ = Tensor::zeros(context.memory, {rows_}, context.activation_dtype, MemoryUse::Parameters);
  }
  if (!norm_ || bias_) return;
  bias_ = Tensor::empty(context.memory, {out_channels}, DType::F32, MemoryUse::Parameters);
  scale_ = Tensor::empty(context.memory, {out_channels}, DType::F32, MemoryUse::Parameters);
  fold_ = {.out_channels = out_channels,
           .weights_per_channel = weight_->shape.count() / out_channels,
           .gamma = norm_->scale->value.data<float>(),
           .beta = norm_->shift->value.data<float>(),
           .mean = norm_->mean->value.data<float>(),
           .var = norm_->variance->value.data<float>(),
           .eps = norm_->epsilon,
           .bias = own_bias_ != nullptr ? own_bias_->value.data<float>() : nullptr};
}

void WorkingWeight::prepare(Context& context, uint64_t revision, bool folded) {
  if (revision_ == revision && folded_ == folded) return;
  require(!folded || norm_, "there is no norm to fold");
  revision_ = revision;
  folded_ = folded;
  if (is_master(context, folded)) {
    value_ = weight_->value;
  } else {
    allocate(context);
    value_ = own_;
    const float* weight = weight_->value.data<float>();
    dispatch(own_.dtype(), [&]<class T> {
      if (folded)
        kernels::batch_norm_fold(context.queue, fold_, weight, own_.data<T>(), bias_.data<float>(),
                                 scale_.data<float>());
      else
        kernels::cast(context.queue, own_.count(), weight, own_.data<T>());
      const Tensor bias = folded ? bias_ : own_bias_ != nullptr ? own_bias_->value : Tensor();
      if (rounded_bias_ && bias)
        kernels::cast(context.queue, bias.count(), bias.data<float>(), rounded_bias_.data<T>());
    });
  }
  context.queue.submit("weights_changed", [this] { new_version(); });
}

void WorkingWeight::write_with(Context& context, kernels::ParamSegment& segment) {
  if (is_master(context, folds_in_training_)) return;
  allocate(context);
  segment.working = own_.raw();
  if (!folds_in_training_) return;
  segment.scale = scale_.data<float>();
  segment.per_channel = fold_.weights_per_channel;
}

void WorkingWeight::write_bias_with(Context& context, kernels::ParamSegment& segment) {
  if (is_master(context, folds_in_training_)) return;
  allocate(context);
  if (rounded_bias_ && !folds_in_training_) segment.working = rounded_bias_.raw();
}

void WorkingWeight::fold_bias(Context& context) {
  if (!folds_in_training_ || own_bias_ == nullptr || !own_bias_->trainable) return;
  kernels::batch_norm_fold_bias(context.queue, fold_, bias_.data<float>());
  if (!rounded_bias_) return;
  dispatch(rounded_bias_.dtype(),
           [&]<class T> { kernels::cast(context.queue, bias_.count(), bias_.data<float>(), rounded_bias_.data<T>()); });
}

void WorkingWeight::stepped(uint64_t from, uint64_t to) {
  if (revision_ == from && folded_ == folds_in_training_) revision_ = to;
}

}  // namespace fovea
