#include "engine/ops.h"

#include "engine/distributed/communicator.h"
#include "kernels/activation.h"
#include "kernels/batch_norm.h"
#include "kernels/group_norm.h"
#include "kernels/pool.h"
#include "kernels/reduce.h"
#include "kernels/traffic.h"
#include "kernels/upsample.h"

namespace fovea::ops {

namespace traffic = kernels::traffic;
using traffic::declare;

namespace {

Tensor empty_like(Tape& tape, const Tensor& x) { return tape.context().empty(x.shape(), x.dtype()); }

template <class T>
T* data_or_null(const Tensor& x) {
  return x ? x.data<T>() : nullptr;
}

kernels::ConvShape conv_shape(const Tensor& x, const ConvArgs& args) {
  const Shape& w = args.weight.shape();
  require(x.shape().rank() == 4 && x.channels() == w[3] * args.groups,
          "the input's channels differ from the convolution's");
  return {.batch = x.batch(),
          .in_h = x.height(),
          .in_w = x.width(),
          .in_c = x.channels(),
          .out_c = static_cast<int>(w[0]),
          .kernel_h = static_cast<int>(w[1]),
          .kernel_w = static_cast<int>(w[2]),
          .stride = args.stride,
          .pad = args.pad,
          .groups = args.groups};
}

// With the channels that y has: y = x·w' + b' where w' and b' have zeros behind those of w and b.
kernels::ConvShape shape_of_output(const kernels::ConvShape& shape, const ConvArgs& args) {
  kernels::ConvShape padded = shape;
  if (args.padded) padded.out_c = std::max(shape.out_c, args.weight_rows);
  return padded;
}

// dw = dw'·s where the convolution ran with folded weights w' = w·s.
void weight_gradient(Gradients& g, const kernels::ConvShape& shape, const Tensor& x, const Tensor& dy,
                     const ConvArgs& args, float* dbias, bool accumulate_bias) {
  Context& context = g.context();
  const GradientSlot slot = g.into(args.weight_parameter->value);
  kernels::ConvBackwardWeight backward{.x = x.raw(), .dy = dy.raw()};
  if (dy.channels() != shape.out_c) backward.dy_channels = dy.channels();
  // One call has one accumulate flag; where weight and bias disagree, or a fold comes between, the bias is summed
  // apart.
  const bool with_bias = dbias != nullptr && !args.fold && accumulate_bias == slot.accumulate;
  backward.dbias = with_bias ? dbias : nullptr;
  const bool apart = args.fold && slot.accumulate;
  const Tensor own = apart ? context.empty(slot.gradient.shape(), DType::F32) : slot.gradient;
  backward.dweight = own.data<float>();
  backward.accumulate = slot.accumulate && !apart;
  context.convolution.backward_weight(context.queue, shape, x.dtype(), backward);
  if (args.fold) {
    declare(context.queue, traffic::elementwise<float>(static_cast<double>(own.count()), apart ? 2 : 1, 1));
    kernels::batch_norm_fold_backward(context.queue, *args.fold, own.data<float>(), slot.gradient.data<float>(), apart);
  }
  if (dbias != nullptr && !with_bias)
    dispatch(dy.dtype(), [&]<class T> {
      declare(context.queue, traffic::column_sum<T>(dy.rows(), dy.channels()));
      kernels::column_sum(context.queue, dy.rows(), dy.channels(), dy.data<T>(), dbias, accumulate_bias);
    });
}

bool has_bias_gradient(const ConvArgs& args) {
  return args.bias_parameter != nullptr && args.bias_parameter->trainable;
}

// The bits of a block's output, which a 1×1 convolution reads next; elsewhere they pay for nobody.
Tensor bits_for(Context& context, const kernels::ConvShape& shape, DType dtype, const ConvArgs& args) {
  if (!args.add) return {};
  const size_t bytes = context.convolution.relu_bits_bytes(context.queue, shape, dtype, {bool{args.bias}, true, true});
  return bytes == 0 ? Tensor() : context.empty({static_cast<int64_t>(bytes)}, DType::U8);
}

// dy = 0 where y is, in place; sums the bias gradient on the way.
void mask_gradient(Gradients& g, const Tensor& y, const Tensor& dy, const ConvArgs& args) {
  Context& context = g.context();
  const bool bias = has_bias_gradient(args);
  dispatch(y.dtype(), [&]<class T> {
    declare(context.queue, traffic::relu_bias_backward<T>(y.rows(), y.channels()));
    if (!bias) return kernels::relu_backward(context.queue, y.count(), y.data<T>(), dy.data<T>(), dy.data<T>(), false);
    const Tensor sums =
        context.empty({static_cast<int64_t>(kernels::bias_sums_bytes(y.rows(), y.channels()))}, DType::U8);
    kernels::relu_bias_backward(context.queue, y.rows(), y.channels(), y.data<T>(), dy.data<T>(),
                                reinterpret_cast<double*>(sums.data<uint8_t>()));
    g.add_bias_sums(args.bias_parameter->value, sums, y.rows());
  });
}

// `mask`: of the ReLU that x came out of, where this is the last to write x's gradient.
void conv2d_backward(Gradients& g, const kernels::ConvShape& shape, const Tensor& x, const Tensor& y,
                     const ConvArgs& args, const ReluMask& mask) {
  Context& context = g.context();
  const Queue::Layer layer(context.queue, args.weight_parameter->name);
  const Tensor dy = g.of(y);
  const bool masks = args.relu && !g.is_masked(y);
  if (masks) mask_gradient(g, y, dy, args);
  GradientSlot bias;
  const bool wants_bias = has_bias_gradient(args) && !masks;
  if (wants_bias) bias = g.into(args.bias_parameter->value);
  float* dbias = wants_bias ? bias.gradient.data<float>() : nullptr;
  if (args.weight_parameter->trainable) weight_gradient(g, shape, x, dy, args, dbias, bias.accumulate);
  if (x.requires_gradient()) {
    const GradientSlot slot = g.into(x);
    context.convolution.backward_data(context.queue, shape_of_output(shape, args), x.dtype(),
                                      {.dy = dy.raw(),
                                       .weights = {args.weight.raw(), args.version, args.weight_rows},
                                       .relu_mask = mask.output ? mask.output.raw() : nullptr,
                                       .accumulate = slot.accumulate,
                                       .dx = slot.gradient.raw(),
                                       .relu_bits = mask.bits ? mask.bits.raw() : nullptr});
    if (mask.output) g.set_masked(x);
  }
  if (args.add.requires_gradient()) g.give(args.add, dy);  // dy is not read after this
}

}  // namespace

Tensor conv2d(Tape& tape, const Tensor& x, const ConvArgs& args) {
  Context& context = tape.context();
  const kernels::ConvShape shape = conv_shape(x, args);
  const Tensor none;
  const bool differentiates =
      tape.differentiates({&x, &args.add, &args.weight_parameter->value,
                           args.bias_parameter != nullptr ? &args.bias_parameter->value : &none});
  const ReluMask mask = tape.take_mask(x);
  const bool offers_mask = differentiates && args.relu && !has_bias_gradient(args);  // which the mask's pass sums too
  const Tensor bits = offers_mask ? bits_for(context, shape, x.dtype(), args) : none;
  if (context.trace != nullptr)
    context.trace->push_back({args.weight_parameter->name,
                              shape,
                              {bool{args.bias}, bool{args.add}, args.relu},
                              tape.training() && args.weight_parameter->trainable,
                              tape.training() && x.requires_gradient(),
                              offers_mask,
                              bool{mask.output}});
  const Queue::Layer layer(context.queue, args.weight_parameter->name);
  const kernels::ConvShape padded = shape_of_output(shape, args);
  const Tensor y = context.empty({shape.batch, shape.out_h(), shape.out_w(), padded.out_c}, x.dtype());
  context.convolution.forward(context.queue, padded, x.dtype(),
                              {.x = x.raw(),
                               .weights = {args.weight.raw(), args.version, args.weight_rows},
                               .bias = data_or_null<float>(args.bias),
                               .add = args.add ? args.add.raw() : nullptr,
                               .relu = args.relu,
                               .y = y.raw(),
                               .rounded_bias = args.rounded_bias && args.bias ? args.rounded_bias.raw() : nullptr,
                               .relu_bits = bits ? bits.raw() : nullptr});
  if (differentiates)
    tape.record("conv2d", y, [shape, x, y, args, mask](Gradients& g) { conv2d_backward(g, shape, x, y, args, mask); });
  if (offers_mask) tape.offer_mask({y, bits});
  return y;
}

Tensor relu(Tape& tape, const Tensor& x) {
  const Tensor y = empty_like(tape, x);
  dispatch(x.dtype(), [&]<class T> {
    declare(tape.queue(), traffic::relu_forward<T>(x.count()));
    kernels::relu_forward(tape.queue(), x.count(), x.data<T>(), y.data<T>());
  });
  if (tape.differentiates({&x}))
    tape.record("relu", y, [x, y](Gradients& g) {
      const Tensor dy = g.of(y);
      const GradientSlot dx = g.into(x);
      dispatch(y.dtype(), [&]<class T> {
        declare(g.context().queue, traffic::relu_backward<T>(y.count(), dx.accumulate));
        kernels::relu_backward(g.context().queue, y.count(), y.data<T>(), dy.data<T>(), dx.gradient.data<T>(),
                               dx.accumulate);
      });
    });
  return y;
}

Tensor add_relu(Tape& tape, const Tensor& a, const Tensor& b) {
  require(a.shape() == b.shape(), "add_relu got tensors of different shapes");
  const Tensor y = empty_like(tape, a);
  dispatch(a.dtype(), [&]<class T> {
    declare(tape.queue(), traffic::add<T>(a.count()));
    kernels::add_relu(tape.queue(), a.count(), a.data<T>(), b.data<T>(), y.data<T>());
  });
  if (tape.differentiates({&a, &b}))
    tape.record("add_relu", y, [a, b, y](Gradients& g) {
      const Tensor dy = g.of(y);
      dispatch(y.dtype(), [&]<class T> {
        for (const Tensor& input : {a, b}) {
          if (!input.requires_gradient()) continue;
          const GradientSlot slot = g.into(input);
          declare(g.context().queue, traffic::relu_backward<T>(y.count(), slot.accumulate));
          kernels::relu_backward(g.context().queue, y.count(), y.data<T>(), dy.data<T>(), slot.gradient.data<T>(),
                                 slot.accumulate);
        }
      });
    });
  return y;
}

Tensor max_pool(Tape& tape, const Tensor& x) {
  const kernels::PoolShape shape{.batch = x.batch(), .in_h = x.height(), .in_w = x.width(), .channels = x.channels()};
  const Tensor y = tape.context().empty({shape.batch, shape.out_h(), shape.out_w(), shape.channels}, x.dtype());
  const bool differentiates = tape.differentiates({&x});
  const Tensor argmax = differentiates ? tape.context().empty(y.shape(), DType::U8) : Tensor();
  dispatch(x.dtype(), [&]<class T> {
    declare(tape.queue(), traffic::max_pool_forward<T>(shape, differentiates));
    kernels::max_pool_forward(tape.queue(), shape, x.data<T>(), y.data<T>(), data_or_null<uint8_t>(argmax));
  });
  if (differentiates)
    tape.record("max_pool", y, [shape, x, y, argmax](Gradients& g) {
      const Tensor dy = g.of(y);
      const GradientSlot dx = g.into(x);
      dispatch(y.dtype(), [&]<class T> {
        declare(g.context().queue, traffic::max_pool_backward<T>(shape, dx.accumulate));
        kernels::max_pool_backward(g.context().queue, shape, argmax.data<uint8_t>(), dy.data<T>(),
                                   dx.gradient.data<T>(), dx.accumulate);
      });
    });
  return y;
}

Tensor upsample_add(Tape& tape, const Tensor& lateral, const Tensor& coarse) {
  const kernels::UpsampleShape shape{.batch = coarse.batch(),
                                     .in_h = coarse.height(),
                                     .in_w = coarse.width(),
                                     .out_h = lateral.height(),
                                     .out_w = lateral.width(),
                                     .channels = coarse.channels()};
  const Tensor y = empty_like(tape, lateral);
  dispatch(y.dtype(), [&]<class T> {
    declare(tape.queue(), traffic::upsample_add<T>(shape, /*lateral=*/true));
    kernels::upsample_add(tape.queue(), shape, coarse.data<T>(), lateral.data<T>(), y.data<T>());
  });
  if (tape.differentiates({&lateral, &coarse}))
    tape.record("upsample_add", y, [shape, lateral, coarse, y](Gradients& g) {
      const Tensor dy = g.of(y);
      if (coarse.requires_gradient()) {
        const GradientSlot slot = g.into(coarse);
        dispatch(y.dtype(), [&]<class T> {
          declare(g.context().queue, traffic::upsample_backward<T>(shape, slot.accumulate));
          kernels::upsample_backward(g.context().queue, shape, dy.data<T>(), slot.gradient.data<T>(), slot.accumulate);
        });
      }
      if (lateral.requires_gradient()) g.give(lateral, dy);
    });
  return y;
}

namespace {

// Where a norm's parameter gradients go: scale and shift are always written together.
struct NormGradients {
  float *dscale = nullptr, *dshift = nullptr;
  bool accumulate = false;
  Tensor discarded;
  NormGradients(Gradients& g, const Parameter& scale, const Parameter& shift) {
    if (scale.trainable) {
      const GradientSlot a = g.into(scale.value), b = g.into(shift.value);
      dscale = a.gradient.data<float>();
      dshift = b.gradient.data<float>();
      accumulate = a.accumulate;
    } else {
      discarded = g.context().empty({2, scale.shape[0]}, DType::F32);
      dscale = discarded.data<float>();
      dshift = dscale + scale.shape[0];
    }
  }
};

// Where ranks share statistics: sum(sums) puts this rank's sums, [2, channels], there, and apply(sums, rows) takes
// those over the rows of all ranks, of which each has as many as x. False where they do not.
template <class Sum, class Apply>
bool over_ranks(Context& context, const Tensor& x, const Sum& sum, const Apply& apply) {
  if (context.norm_ranks == nullptr || context.norm_ranks->alone()) return false;
  const int64_t count = int64_t{2} * x.channels();
  const Tensor memory = context.empty({count * static_cast<int64_t>(sizeof(double))}, DType::U8);
  double* sums = static_cast<double*>(memory.raw());
  sum(sums);
  context.norm_ranks->all_reduce_sum(context.queue, sums, count);
  apply(sums, x.rows() * context.norm_ranks->size());
  return true;
}

}  // namespace

Tensor batch_norm(Tape& tape, const Tensor& x, const BatchNormArgs& args) {
  const Tensor y = empty_like(tape, x);
  const Tensor mean = tape.context().empty({x.channels()}, DType::F32),
               invstd = tape.context().empty({x.channels()}, DType::F32);
  dispatch(x.dtype(), [&, &queue = tape.queue()]<class T> {
    kernels::BatchNormForward<T> forward;
    forward.rows = x.rows();
    forward.channels = x.channels();
    forward.x = x.data<T>();
    forward.add = data_or_null<T>(args.add);
    forward.gamma = args.scale->value.data<float>();
    forward.beta = args.shift->value.data<float>();
    forward.running_mean = args.running_mean->value.data<float>();
    forward.running_var = args.running_var->value.data<float>();
    forward.momentum = args.momentum;
    forward.eps = args.epsilon;
    forward.saved_mean = mean.data<float>();
    forward.saved_invstd = invstd.data<float>();
    forward.relu = args.relu;
    forward.y = y.data<T>();
    declare(queue, traffic::norm_forward<T>(static_cast<double>(x.count())));
    const auto sum = [&](double* sums) { kernels::batch_norm_sums(queue, forward, sums); };
    const auto apply = [&](const double* sums, int64_t n) { kernels::batch_norm_apply(queue, forward, sums, n); };
    if (!over_ranks(tape.context(), x, sum, apply)) kernels::batch_norm_train_forward(queue, forward);
  });
  if (tape.differentiates({&x, &args.add, &args.scale->value}))
    tape.record("batch_norm", y, [x, y, mean, invstd, args](Gradients& g) {
      const Tensor dy = g.of(y);
      const NormGradients parameters(g, *args.scale, *args.shift);
      const bool wants_x = x.requires_gradient(), wants_add = args.add.requires_gradient();
      const GradientSlot dx = wants_x ? g.into(x) : GradientSlot{g.context().empty(x.shape(), x.dtype())};
      GradientSlot dadd;
      if (wants_add) dadd = g.into(args.add);
      dispatch(x.dtype(), [&]<class T> {
        kernels::BatchNormBackward<T> backward;
        backward.rows = x.rows();
        backward.channels = x.channels();
        backward.x = x.data<T>();
        backward.y = args.relu ? y.data<T>() : nullptr;
        backward.dy = dy.data<T>();
        backward.gamma = args.scale->value.data<float>();
        backward.saved_mean = mean.data<float>();
        backward.saved_invstd = invstd.data<float>();
        backward.dx = dx.gradient.data<T>();
        backward.accumulate_dx = dx.accumulate;
        backward.dadd = wants_add ? dadd.gradient.data<T>() : nullptr;
        backward.accumulate_dadd = dadd.accumulate;
        backward.dgamma = parameters.dscale;
        backward.dbeta = parameters.dshift;
        backward.accumulate_parameters = parameters.accumulate;
        declare(g.context().queue, traffic::norm_backward<T>(static_cast<double>(x.count()), args.relu, dx.accumulate));
        Queue& queue = g.context().queue;
        const auto sum = [&](double* sums) { kernels::batch_norm_backward_sums(queue, backward, sums); };
        const auto apply = [&](const double* sums, int64_t rows) {
          kernels::batch_norm_backward_apply(queue, backward, sums, rows);
        };
        if (!over_ranks(g.context(), x, sum, apply)) kernels::batch_norm_train_backward(queue, backward);
      });
    });
  return y;
}

Tensor group_norm(Tape& tape, const Tensor& x, const GroupNormArgs& args) {
  const kernels::GroupNormShape shape{
      .images = x.batch(), .pixels = int64_t{x.height()} * x.width(), .channels = x.channels(), .groups = args.groups};
  const Tensor y = empty_like(tape, x);
  const Tensor mean = tape.context().empty({x.batch(), args.groups}, DType::F32),
               invstd = tape.context().empty({x.batch(), args.groups}, DType::F32);
  dispatch(x.dtype(), [&]<class T> {
    declare(tape.queue(), traffic::norm_forward<T>(static_cast<double>(x.count())));
    kernels::group_norm_forward<T>(tape.queue(), {.shape = shape,
                                                  .x = x.data<T>(),
                                                  .gamma = args.scale->value.data<float>(),
                                                  .beta = args.shift->value.data<float>(),
                                                  .eps = args.epsilon,
                                                  .relu = args.relu,
                                                  .y = y.data<T>(),
                                                  .saved_mean = mean.data<float>(),
                                                  .saved_invstd = invstd.data<float>()});
  });
  if (tape.differentiates({&x, &args.scale->value}))
    tape.record("group_norm", y, [shape, x, y, mean, invstd, args](Gradients& g) {
      const Tensor dy = g.of(y);
      const NormGradients parameters(g, *args.scale, *args.shift);
      const GradientSlot dx = x.requires_gradient() ? g.into(x) : GradientSlot{g.context().empty(x.shape(), x.dtype())};
      dispatch(x.dtype(), [&]<class T> {
        declare(g.context().queue, traffic::norm_backward<T>(static_cast<double>(x.count()), args.relu, dx.accumulate));
        kernels::group_norm_backward<T>(g.context().queue, {.shape = shape,
                                                            .x = x.data<T>(),
                                                            .y = args.relu ? y.data<T>() : nullptr,
                                                            .dy = dy.data<T>(),
                                                            .gamma = args.scale->value.data<float>(),
                                                            .saved_mean = mean.data<float>(),
                                                            .saved_invstd = invstd.data<float>(),
                                                            .dx = dx.gradient.data<T>(),
                                                            .accumulate_dx = dx.accumulate,
                                                            .dgamma = parameters.dscale,
                                                            .dbeta = parameters.dshift,
                                                            .accumulate_parameters = parameters.accumulate});
      });
    });
  return y;
}

}  // namespace fovea::ops
