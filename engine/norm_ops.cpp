// The norms among the differentiable operations.
#include "engine/distributed/communicator.h"
#include "engine/op_graph.h"
#include "engine/ops.h"
#include "kernels/group_norm.h"
#include "kernels/traffic.h"

namespace fovea::ops {

namespace traffic = kernels::traffic;
using traffic::declare;

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
  const Tensor y = tape.context().empty(x.shape(), x.dtype());
  const Tensor mean = tape.context().empty({x.channels()}, DType::F32),
               invstd = tape.context().empty({x.channels()}, DType::F32);
  dispatch(x.dtype(), [&, &queue = tape.queue()]<class T> {
    kernels::BatchNormForward<T> forward;
    forward.rows = x.rows();
    forward.channels = x.channels();
    forward.x = x.data<T>();
    forward.add = args.add ? args.add.data<T>() : nullptr;
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
  const Tensor y = tape.context().empty(x.shape(), x.dtype());
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
  if (tape.context().graph != nullptr) tape.context().graph->add(args, {x}, y);
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
