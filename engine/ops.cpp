#include "engine/ops.h"

#include "engine/op_graph.h"
#include "kernels/activation.h"
#include "kernels/average_pool.h"
#include "kernels/batch_norm.h"
#include "kernels/channel_slice.h"
#include "kernels/pool.h"
#include "kernels/reduce.h"
#include "kernels/traffic.h"
#include "kernels/upsample.h"

namespace fovea::ops {

namespace traffic = kernels::traffic;
using traffic::declare;

namespace {

Tensor empty_like(Tape& tape, const Tensor& x) { return tape.context().empty(x.shape(), x.dtype()); }

// For the graph that is recorded, where one is.
template <class What>
void note(Tape& tape, const What& what, std::initializer_list<std::reference_wrapper<const Tensor>> inputs,
          const Tensor& output) {
  OpGraph* graph = tape.context().graph;
  if (graph != nullptr) graph->add(what, {inputs.begin(), inputs.end()}, output);
}

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

// db = db'·s where the convolution ran with a folded bias b' = shift + (b − mean)·s. `sum`: db'.
void folded_bias_gradient(Gradients& g, const ConvArgs& args, const Tensor& sum) {
  const GradientSlot slot = g.into(args.bias_parameter->value);
  kernels::batch_norm_fold_bias_backward(g.context().queue, *args.fold, sum.data<float>(), slot.gradient.data<float>(),
                                         slot.accumulate);
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
    if (!args.fold) return g.add_bias_sums(args.bias_parameter->value, sums, y.rows());
    const Tensor sum = context.empty({y.channels()}, DType::F32);
    kernels::fold_bias_sums(context.queue, {{reinterpret_cast<const double*>(sums.data<uint8_t>()), y.rows()}},
                            y.channels(), sum.data<float>(), false);
    folded_bias_gradient(g, args, sum);
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
  if (wants_bias && args.fold) bias.gradient = context.empty({shape.out_c}, DType::F32);
  if (wants_bias && !args.fold) bias = g.into(args.bias_parameter->value);
  float* dbias = wants_bias ? bias.gradient.data<float>() : nullptr;
  if (args.weight_parameter->trainable) weight_gradient(g, shape, x, dy, args, dbias, bias.accumulate);
  if (wants_bias && args.fold) folded_bias_gradient(g, args, bias.gradient);
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
  note(tape, args, {x, args.add}, y);
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
  note(tape, OpGraph::Relu{}, {x}, y);
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
  note(tape, OpGraph::AddRelu{}, {a, b}, y);
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

Tensor max_pool(Tape& tape, const Tensor& x, PoolWindow window) {
  const kernels::PoolShape shape{.batch = x.batch(),
                                 .in_h = x.height(),
                                 .in_w = x.width(),
                                 .channels = x.channels(),
                                 .kernel = window.kernel,
                                 .pad = window.pad};
  const Tensor y = tape.context().empty({shape.batch, shape.out_h(), shape.out_w(), shape.channels}, x.dtype());
  const bool differentiates = tape.differentiates({&x});
  const Tensor argmax = differentiates ? tape.context().empty(y.shape(), DType::U8) : Tensor();
  dispatch(x.dtype(), [&]<class T> {
    declare(tape.queue(), traffic::max_pool_forward<T>(shape, differentiates));
    kernels::max_pool_forward(tape.queue(), shape, x.data<T>(), y.data<T>(), data_or_null<uint8_t>(argmax));
  });
  note(tape, window, {x}, y);
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

Tensor average_pool(Tape& tape, const Tensor& x) {
  const kernels::AveragePoolShape shape{
      .batch = x.batch(), .height = x.height(), .width = x.width(), .channels = x.channels()};
  const Tensor y = empty_like(tape, x);
  dispatch(x.dtype(), [&]<class T> {
    declare(tape.queue(), traffic::average_pool<T>(shape, false));
    kernels::average_pool<T>(tape.queue(), shape, x.data<T>(), y.data<T>(), false);
  });
  note(tape, OpGraph::AveragePool{}, {x}, y);
  if (tape.differentiates({&x}))
    tape.record("average_pool", y, [shape, x, y](Gradients& g) {
      const Tensor dy = g.of(y);
      const GradientSlot dx = g.into(x);
      dispatch(y.dtype(), [&]<class T> {
        declare(g.context().queue, traffic::average_pool<T>(shape, dx.accumulate));
        kernels::average_pool<T>(g.context().queue, shape, dy.data<T>(), dx.gradient.data<T>(), dx.accumulate);
      });
    });
  return y;
}

Tensor concat(Tape& tape, const std::vector<Tensor>& parts) {
  const Tensor& first = parts.at(0);
  int channels = 0;
  bool differentiates = false;
  for (const Tensor& part : parts) {
    require(part.batch() == first.batch() && part.height() == first.height() && part.width() == first.width(),
            "images to be concatenated differ in size");
    channels += part.channels();
    differentiates = differentiates || tape.differentiates({&part});
  }
  const Tensor y = tape.context().empty({first.batch(), first.height(), first.width(), channels}, first.dtype());
  dispatch(y.dtype(), [&]<class T> {
    T* slice = y.data<T>();
    for (const Tensor& part : parts) {
      declare(tape.queue(), traffic::copy_channels<T>(y.rows(), part.channels(), false));
      kernels::copy_channels<T>(tape.queue(), y.rows(), part.channels(), {part.data<T>(), part.channels()},
                                {slice, channels}, false);
      slice += part.channels();
    }
  });
  if (tape.context().graph != nullptr) tape.context().graph->add(OpGraph::Concat{}, parts, y);
  if (differentiates)
    tape.record("concat", y, [parts, y](Gradients& g) {
      const Tensor dy = g.of(y);
      dispatch(y.dtype(), [&]<class T> {
        const T* slice = dy.data<T>();
        for (const Tensor& part : parts) {
          if (part.requires_gradient()) {
            const GradientSlot dx = g.into(part);
            declare(g.context().queue, traffic::copy_channels<T>(y.rows(), part.channels(), dx.accumulate));
            kernels::copy_channels<T>(g.context().queue, y.rows(), part.channels(), {slice, dy.channels()},
                                      {dx.gradient.data<T>(), part.channels()}, dx.accumulate);
          }
          slice += part.channels();
        }
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
  note(tape, OpGraph::UpsampleAdd{}, {lateral, coarse}, y);
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

}  // namespace fovea::ops
