#include "model/retinanet.h"

#include <cmath>

namespace fovea {

namespace {
// −log((1 − π) / π): sigmoid of it is the prior π (section 4.1).
float prior_bias(double prior) { return static_cast<float>(-std::log((1 - prior) / prior)); }
}  // namespace

RetinaNet::RetinaNet(Context& context, const ModelConfig& config, uint64_t seed)
    : context_(context),
      config_(config),
      backbone_(make_backbone(parameters_, config.backbone)),
      fpn_(parameters_, config.fpn, backbone_->channels()),
      class_head_(parameters_, config.head, "head.classification_head", "cls_logits", config.fpn.channels,
                  config.anchors.per_location() * config.classes, prior_bias(config.head.prior)),
      box_head_(parameters_, config.head, "head.regression_head", "bbox_reg", config.fpn.channels,
                config.anchors.per_location() * 4, 0.f) {
  parameters_.allocate(context, seed);
}

Outputs RetinaNet::forward(Tape& tape, const Tensor& images) { return heads(tape, pyramid(tape, images)); }

std::vector<Tensor> RetinaNet::pyramid(Tape& tape, const Tensor& images) {
  const Features features = backbone_->forward(tape, images);
  tape.mark("backbone.fpn.");
  return fpn_.forward(tape, features);
}

// Side by side only on a GPU, and there only in recorded work: the weights' working forms and the workspaces are there
// already, and branches must not make them for one another.
Outputs RetinaNet::heads(Tape& tape, const std::vector<Tensor>& pyramid) {
  const Queue& queue = tape.queue();
  tape.mark("head.");
  if (queue.on_cuda() && queue.recording()) {
    if (!tape.training()) return levels_side_by_side(tape, pyramid);
    if (heads_share_nothing()) return heads_side_by_side(tape, pyramid);
  }
  return {class_head_.forward(tape, pyramid), box_head_.forward(tape, pyramid)};
}

// Detection. P4 to P7 together have a third of P3's locations, and each of their launches leaves most of a GPU idle:
// they run beside P3, the two heads beside each other.
Outputs RetinaNet::levels_side_by_side(Tape& tape, const std::vector<Tensor>& pyramid) {
  Outputs outputs{std::vector<Tensor>(pyramid.size()), std::vector<Tensor>(pyramid.size())};
  tape.queue().fork(4, [&](int branch) {
    const bool boxes = branch % 2 == 1, finest = branch < 2;
    Head& head = boxes ? box_head_ : class_head_;
    auto& levels = boxes ? outputs.deltas : outputs.logits;
    for (size_t l = finest ? 0 : 1; l < (finest ? 1 : pyramid.size()); ++l)
      levels[l] = head.forward_level(tape, pyramid[l]);
  });
  return outputs;
}

// Training: all levels add to the gradients of a head's weights, so that they stay in one branch, and the other head
// fills what the small ones leave idle. Both heads' first convolutions add to the gradients of the pyramid, and run
// before the fork, in the order of every other step.
Outputs RetinaNet::heads_side_by_side(Tape& tape, const std::vector<Tensor>& pyramid) {
  Outputs outputs{class_head_.enter(tape, pyramid), box_head_.enter(tape, pyramid)};
  tape.fork(2, [&](int branch) {
    if (branch == 0)
      outputs.logits = class_head_.follow(tape, std::move(outputs.logits));
    else
      outputs.deltas = box_head_.follow(tape, std::move(outputs.deltas));
  });
  return outputs;
}

// Sums over ranks must come in one order on all of them.
bool RetinaNet::heads_share_nothing() const {
  const bool sums_over_ranks = config_.head.norm == Norm::Batch && context_.norm_ranks != nullptr;
  return class_head_.has_tower() && !sums_over_ranks;
}

Losses RetinaNet::loss(Tape& tape, const Outputs& outputs, LevelSize image, const Truth& truth) {
  return detection_loss(tape, outputs, config_, anchors_for(outputs, image), truth, class_head_.output_bias(),
                        box_head_.output_bias());
}

std::vector<LevelLosses> RetinaNet::losses_by_level(const Outputs& outputs, LevelSize image, const Truth& truth) {
  return fovea::losses_by_level(context_, outputs, config_, anchors_for(outputs, image), truth);
}

DeviceDetections RetinaNet::detect(const Outputs& outputs, LevelSize image, const Tensor& image_sizes,
                                   const Tensor& image_scale) {
  return fovea::detect(context_, outputs, config_, anchors_for(outputs, image), image_sizes, image_scale);
}

const Tensor& RetinaNet::anchors_for(const Outputs& outputs, LevelSize image) {
  Tensor& anchors = anchors_[{image.height, image.width}];
  if (!anchors) {
    std::vector<LevelSize> levels;
    for (const Tensor& logits : outputs.logits) levels.push_back({logits.height(), logits.width()});
    const std::vector<float> values = make_anchors(config_.anchors, image, levels);
    anchors = Tensor::from(context_.memory, {static_cast<int64_t>(values.size() / 4), 4}, values);
  }
  return anchors;
}

}  // namespace fovea
