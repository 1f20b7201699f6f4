#include "model/loss.h"

#include "kernels/focal_loss.h"
#include "model/levels.h"

namespace fovea {

namespace {

struct Matched {
  Tensor matches, targets, positives, scale;
};

Matched match(Context& context, const ModelConfig& config, const Tensor& anchors, const Truth& truth) {
  const auto images = truth.counts.shape()[0], count = anchors.shape()[0];
  Matched m{context.empty({images, count}, DType::I32), context.empty({images, count}, DType::I32),
            context.empty({images}, DType::I32), context.empty({images}, DType::F32)};
  kernels::AnchorMatchArgs args;
  args.anchors = anchors.data<float>();
  args.anchor_count = static_cast<int>(count);
  args.images = static_cast<int>(images);
  args.max_boxes = static_cast<int>(truth.boxes.shape()[1]);
  args.truth = truth.boxes.data<float>();
  args.labels = truth.labels.data<int32_t>();
  args.crowd = truth.crowd.data<uint8_t>();
  args.counts = truth.counts.data<int32_t>();
  args.high = static_cast<float>(config.loss.match_high);
  args.low = static_cast<float>(config.loss.match_low);
  args.allow_low_quality = config.loss.low_quality_matches;
  args.matches = m.matches.data<int32_t>();
  args.targets = m.targets.data<int32_t>();
  args.positives = m.positives.data<int32_t>();
  const Tensor workspace = context.empty({static_cast<int64_t>(kernels::anchor_match_workspace(args))}, DType::U8);
  args.workspace = workspace.raw();
  kernels::anchor_match(context.queue, args);
  kernels::loss_scale(context.queue, config.loss.normaliser, args.images, args.positives, m.scale.data<float>());
  return m;
}

template <class T>
void classification_loss(Tape& tape, const Outputs& outputs, const ModelConfig& config, const Matched& matched,
                         const Parameter& bias, const Tensor& loss) {
  Context& context = tape.context();
  kernels::FocalLossArgs<T> args;
  args.gradient = level_view<T>(outputs.logits, config.anchors.per_location(), config.classes);
  args.logits = read_only(args.gradient);
  args.targets = matched.targets.data<int32_t>();
  args.scale = matched.scale.data<float>();
  args.alpha = static_cast<float>(config.loss.alpha);
  args.gamma = static_cast<float>(config.loss.gamma);
  args.loss = loss.data<float>();
  const GradientSlot slot = tape.gradients().into(bias.value);
  args.bias_gradient = slot.gradient.data<float>();
  args.accumulate_bias_gradient = slot.accumulate;
  const Tensor workspace = context.empty({static_cast<int64_t>(kernels::focal_loss_workspace(args))}, DType::U8);
  args.workspace = workspace.raw();
  kernels::focal_loss(context.queue, args);
}

template <class T>
void regression_loss(Tape& tape, const Outputs& outputs, const ModelConfig& config, const Matched& matched,
                     const Tensor& anchors, const Truth& truth, const Parameter& bias, const Tensor& loss) {
  Context& context = tape.context();
  kernels::BoxLossArgs<T> args;
  args.gradient = level_view<T>(outputs.deltas, config.anchors.per_location(), 4);
  args.deltas = read_only(args.gradient);
  args.anchors = anchors.data<float>();
  args.matches = matched.matches.data<int32_t>();
  args.truth = truth.boxes.data<float>();
  args.max_boxes = static_cast<int>(truth.boxes.shape()[1]);
  args.scale = matched.scale.data<float>();
  args.kind = config.loss.box;
  args.beta = static_cast<float>(config.loss.beta);
  args.coder = box_coder(config);
  args.loss = loss.data<float>();
  const GradientSlot slot = tape.gradients().into(bias.value);
  args.bias_gradient = slot.gradient.data<float>();
  args.accumulate_bias_gradient = slot.accumulate;
  const Tensor workspace = context.empty({static_cast<int64_t>(kernels::box_loss_workspace(args))}, DType::U8);
  args.workspace = workspace.raw();
  kernels::box_loss(context.queue, args);
}

}  // namespace

Losses detection_loss(Tape& tape, const Outputs& outputs, const ModelConfig& config, const Tensor& anchors,
                      const Truth& truth, const Parameter& logits_bias, const Parameter& deltas_bias) {
  Context& context = tape.context();
  const Matched matched = match(context, config, anchors, truth);
  Losses losses{context.empty({1}, DType::F32), context.empty({1}, DType::F32), matched.positives};
  dispatch(outputs.logits[0].dtype(), [&]<class T> {
    classification_loss<T>(tape, outputs, config, matched, logits_bias, losses.classification);
    regression_loss<T>(tape, outputs, config, matched, anchors, truth, deltas_bias, losses.box);
  });
  for (const auto* levels : {&outputs.logits, &outputs.deltas})
    for (const Tensor& output : *levels) tape.gradients().give(output, output);
  return losses;
}

}  // namespace fovea
