#include "model/retinanet.h"

#include "model/anchors.h"
#include "model/names.h"
#include "model/size2d.h"

namespace fovea {

RetinaNet::RetinaNet(Context& context, const ModelConfig& config, std::optional<uint64_t> seed)
    : context_(context),
      config_(config),
      backbone_(make_backbone(parameters_, config.backbone)),
      fpn_(parameters_, config.fpn, backbone_->channels()),
      heads_(parameters_, config) {
  for (Parameter& parameter : parameters_.all()) parameter.group = names::group_of(parameter.name);
  parameters_.allocate(context, seed);
}

Outputs RetinaNet::forward(Tape& tape, const Tensor& images) {
  return heads(tape, pyramid(tape, features(tape, images)));
}

Features RetinaNet::features(Tape& tape, const Tensor& images) { return backbone_->forward(tape, images); }

std::vector<Tensor> RetinaNet::pyramid(Tape& tape, const Features& features) {
  tape.mark(names::kFpn);
  return fpn_.forward(tape, features);
}

Outputs RetinaNet::heads(Tape& tape, const std::vector<Tensor>& pyramid) {
  tape.mark(names::kHeads);
  return heads_.forward(tape, pyramid);
}

Losses RetinaNet::loss(Tape& tape, const Outputs& outputs, Size2d image, const Truth& truth) {
  return detection_loss(tape, outputs, config_, {anchors_for(outputs, image), class_weights()}, truth,
                        heads_.classes().output_bias(), heads_.boxes().output_bias());
}

Tensor RetinaNet::anchor_targets(const Outputs& outputs, Size2d image, const Truth& truth) {
  return fovea::anchor_targets(context_, config_, anchors_for(outputs, image), truth);
}

std::vector<LevelLosses> RetinaNet::losses_by_level(const Outputs& outputs, Size2d image, const Truth& truth) {
  return fovea::losses_by_level(context_, outputs, config_, {anchors_for(outputs, image), class_weights()}, truth);
}

DeviceDetections RetinaNet::detect(const Outputs& outputs, Size2d image, const Tensor& image_sizes,
                                   const Tensor& image_scale) {
  return fovea::detect(context_, outputs, config_, anchors_for(outputs, image), image_sizes, image_scale);
}

const Tensor& RetinaNet::class_weights() {
  const std::vector<double>& weights = config_.loss.class_weights;
  if (weights.empty() || class_weights_) return class_weights_;
  require(static_cast<int>(weights.size()) == config_.classes, "the loss has not one class weight for each class");
  class_weights_ = Tensor::from(context_.memory, {config_.classes}, std::vector<float>(weights.begin(), weights.end()));
  return class_weights_;
}

const Tensor& RetinaNet::anchors_for(const Outputs& outputs, Size2d image) {
  Tensor& anchors = anchors_[{image.height, image.width}];
  if (!anchors) {
    std::vector<Size2d> levels;
    for (const Tensor& logits : outputs.logits) levels.push_back({logits.height(), logits.width()});
    const std::vector<float> values = make_anchors(config_.anchors, image, levels);
    anchors = Tensor::from(context_.memory, {static_cast<int64_t>(values.size() / 4), 4}, values);
  }
  return anchors;
}

}  // namespace fovea
