#include "engine/distributed/gradient_reducer.h"

#include "engine/distributed/communicator.h"

namespace fovea {

GradientReducer::GradientReducer(Tape& tape, const ParameterStore& parameters)
    : tape_(tape), parameters_(parameters), end_(parameters.gradients().count()) {
  if (tape.context().ranks == nullptr || tape.context().ranks->alone()) return;
  // Layers are made in the order in which they run, and backward passes their parts last to first: what follows a part
  // in the buffer has been summed already.
  tape.on_mark([this](const char* part) {
    const auto [begin, end] = parameters_.trained_range(part);
    if (begin == end) return;  // frozen
    require(end <= end_, "backward passed a part of the network out of the reverse order of its parameters");
    reduce_from(begin);
  });
}

void GradientReducer::finish() {
  reduce_from(0);
  if (Context& context = tape_.context(); context.ranks != nullptr) context.ranks->join(context.queue);
}

void GradientReducer::reduce_from(int64_t first) {
  Context& context = tape_.context();
  if (context.ranks == nullptr || first >= end_) return;
  float* gradients = parameters_.gradients().data<float>();
  tape_.gradients().zero_unwritten(gradients + first, gradients + end_);
  context.ranks->all_reduce_sum_aside(context.queue, gradients + first, end_ - first);
  end_ = first;
}

}  // namespace fovea
