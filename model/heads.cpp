#include "model/heads.h"

#include <cmath>

#include "model/names.h"

namespace fovea {

namespace {
// −log((1 − π) / π): sigmoid of it is the prior π (section 4.1).
float prior_bias(double prior) { return static_cast<float>(-std::log((1 - prior) / prior)); }
}  // namespace

Heads::Heads(ParameterStore& store, const ModelConfig& config)
    : norm_(config.head.norm),
      classes_(store, config.head, names::kClassHead, names::kLogits, config.fpn.channels,
               config.anchors.per_location() * config.classes, prior_bias(config.head.prior)),
      boxes_(store, config.head, names::kBoxHead, names::kDeltas, config.fpn.channels,
             config.anchors.per_location() * 4, 0.f) {}

// Side by side only on a GPU, and there only in recorded work: the weights' working forms and the workspaces are there
// already, and branches must not make them for one another.
Outputs Heads::forward(Tape& tape, const std::vector<Tensor>& pyramid) {
  const Queue& queue = tape.queue();
  if (queue.on_cuda() && queue.recording()) {
    if (!tape.training()) return levels_side_by_side(tape, pyramid);
    if (share_nothing(tape.context())) return heads_side_by_side(tape, pyramid);
  }
  return {classes_.forward(tape, pyramid), boxes_.forward(tape, pyramid)};
}

// Detection. P4 to P7 together have a third of P3's locations, and each of their launches leaves most of a GPU idle:
// they run beside P3, the two heads beside each other.
Outputs Heads::levels_side_by_side(Tape& tape, const std::vector<Tensor>& pyramid) {
  Outputs outputs{std::vector<Tensor>(pyramid.size()), std::vector<Tensor>(pyramid.size())};
  tape.queue().fork(4, [&](int branch) {
    const bool boxes = branch % 2 == 1, finest = branch < 2;
    Head& head = boxes ? boxes_ : classes_;
    auto& levels = boxes ? outputs.deltas : outputs.logits;
    for (size_t l = finest ? 0 : 1; l < (finest ? 1 : pyramid.size()); ++l)
      levels[l] = head.forward_level(tape, pyramid[l]);
  });
  return outputs;
}

// Training: all levels add to the gradients of a head's weights, so that they stay in one branch, and the other head
// fills what the small ones leave idle. Both heads' first convolutions add to the gradients of the pyramid, and run
// before the fork, in the order of every other step.
Outputs Heads::heads_side_by_side(Tape& tape, const std::vector<Tensor>& pyramid) {
  Outputs outputs{classes_.enter(tape, pyramid), boxes_.enter(tape, pyramid)};
  tape.fork(2, [&](int branch) {
    if (branch == 0)
      outputs.logits = classes_.follow(tape, std::move(outputs.logits));
    else
      outputs.deltas = boxes_.follow(tape, std::move(outputs.deltas));
  });
  return outputs;
}

// Sums over ranks must come in one order on all of them.
bool Heads::share_nothing(const Context& context) const {
  const bool sums_over_ranks = norm_ == Norm::Batch && context.norm_ranks != nullptr;
  return classes_.has_tower() && !sums_over_ranks;
}

}  // namespace fovea
