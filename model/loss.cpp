#include "model/loss.h"

#include "engine/distributed/communicator.h"
#include "kernels/anchor_match.h"
#include "kernels/box_loss.h"
#include "kernels/focal_loss.h"
#include "kernels/hard_mining.h"
#include "kernels/traffic.h"
#include "model/levels.h"

namespace fovea {

namespace {

struct Matched {
  Tensor matches, targets;  // of this rank's images
  Tensor positives;         // of all ranks' images, by rank
  Tensor scale;             // of this rank's images
};

// int32 [N] of each rank, as [N · ranks] on all: what other ranks know is 0 in the sum.
Tensor gather_over_ranks(Context& context, const Tensor& own) {
  if (context.ranks == nullptr || context.ranks->alone()) return own;
  const Tensor all = context.empty({own.count() * context.ranks->size()}, DType::I32);
  context.queue.fill_zero(all.raw(), all.bytes());
  context.queue.copy(all.view(own.shape(), own.count() * context.ranks->rank()).raw(), own.raw(), own.bytes());
  context.ranks->all_reduce_sum(context.queue, all.data<int32_t>(), all.count());
  return all;
}

Matched match(Context& context, const ModelConfig& config, const Tensor& anchors, const Truth& truth) {
  const auto images = truth.counts.shape()[0], count = anchors.shape()[0];
  Matched m{context.empty({images, count}, DType::I32), context.empty({images, count}, DType::I32), Tensor(), Tensor()};
  const Tensor positives = context.empty({images}, DType::I32);
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
  args.positives = positives.data<int32_t>();
  const Tensor workspace = context.empty({static_cast<int64_t>(kernels::anchor_match_workspace(args))}, DType::U8);
  args.workspace = workspace.raw();
  kernels::traffic::declare(context.queue, kernels::traffic::anchor_match(args));
  kernels::anchor_match(context.queue, args);
  m.positives = gather_over_ranks(context, positives);
  const Tensor scale = context.empty(m.positives.shape(), DType::F32);
  kernels::loss_scale(context.queue, config.loss.normalizer == LossNormalizer::PerImage,
                      static_cast<int>(scale.count()), m.positives.data<int32_t>(), scale.data<float>());
  m.scale = scale.view({images}, context.ranks == nullptr ? 0 : images * context.ranks->rank());
  return m;
}

// Where a loss kernel leaves the gradient of the heads' last bias, if anybody wants it.
struct BiasGradient {
  float* data = nullptr;
  bool accumulate = false;
};

BiasGradient bias_gradient(Tape& tape, const Parameter& bias) {
  const GradientSlot slot = tape.gradients().into(bias.value);
  return {slot.gradient.data<float>(), slot.accumulate};
}

// Where a loss kernel leaves what it computes.
struct LossOutputs {
  const std::vector<Tensor>& gradient;
  BiasGradient bias;
  const Tensor& loss;
};

// What both loss kernels are told alike.
template <class T, class Args>
void set_outputs(Args& args, const LossOutputs& out, int anchors_per_location, int columns, const Matched& matched) {
  args.gradient = level_view<T>(out.gradient, anchors_per_location, columns);
  args.scale = matched.scale.data<float>();
  args.loss = out.loss.data<float>();
  args.bias_gradient = out.bias.data;
  args.accumulate_bias_gradient = out.bias.accumulate;
}

kernels::BoxLoss kernel_of(BoxLoss loss) {
  switch (loss) {
    case BoxLoss::L1:
      return kernels::BoxLoss::L1;
    case BoxLoss::SmoothL1:
      return kernels::BoxLoss::SmoothL1;
    case BoxLoss::GIoU:
      return kernels::BoxLoss::GIoU;
    case BoxLoss::DIoU:
      return kernels::BoxLoss::DIoU;
    case BoxLoss::CIoU:
      return kernels::BoxLoss::CIoU;
  }
  return kernels::BoxLoss::L1;
}

const float* class_weights(const LossTables& tables) {
  return tables.class_weights ? tables.class_weights.data<float>() : nullptr;
}

bool is_mined(LossKind kind) { return kind == LossKind::Ohem || kind == LossKind::Ssd; }

// `all`, with kIgnored for the anchors that hard mining leaves out, if it is asked for.
template <class T>
Tensor learned_targets(Context& context, const std::vector<Tensor>& logits, const ModelConfig& config,
                       const LossTables& tables, const Tensor& all) {
  const LossConfig& loss = config.loss;
  if (!is_mined(loss.kind)) return all;
  constexpr int kSsdRatio = 3;
  const bool ssd = loss.kind == LossKind::Ssd;
  const Tensor mined = context.empty(all.shape(), DType::I32);
  kernels::HardMiningArgs<T> args;
  args.logits = level_view<T>(logits, config.anchors.per_location(), config.classes);
  args.anchors = tables.anchors.data<float>();
  args.targets = all.data<int32_t>();
  args.alpha = static_cast<float>(loss.alpha);
  args.class_weights = class_weights(tables);
  args.minibatch = ssd ? 0 : loss.mining_batch;
  args.nms_threshold = static_cast<float>(loss.mining_nms);
  args.negatives_per_positive = ssd && loss.mining_ratio == 0 ? kSsdRatio : loss.mining_ratio;
  args.mined = mined.data<int32_t>();
  const Tensor workspace = context.empty({static_cast<int64_t>(kernels::hard_mining_workspace(args))}, DType::U8);
  args.workspace = workspace.raw();
  kernels::traffic::declare(context.queue, kernels::traffic::hard_mining(args));
  kernels::hard_mining(context.queue, args);
  return mined;
}

template <class T>
void classification_loss(Context& context, const std::vector<Tensor>& logits, const ModelConfig& config,
                         const LossTables& tables, const Matched& matched, const LossOutputs& out) {
  const LossConfig& loss = config.loss;
  const bool star = loss.kind == LossKind::FocalStar;
  kernels::FocalLossArgs<T> args;
  args.logits = level_view<T>(logits, config.anchors.per_location(), config.classes);
  args.targets = matched.targets.data<int32_t>();
  args.alpha = static_cast<float>(loss.alpha);
  args.form = star ? kernels::FocalForm::Star : kernels::FocalForm::Focal;
  args.gamma = star || loss.kind == LossKind::Focal ? static_cast<float>(loss.gamma) : 0.f;
  args.beta = static_cast<float>(loss.star_beta);
  args.class_weights = class_weights(tables);
  set_outputs<T>(args, out, config.anchors.per_location(), config.classes, matched);
  const Tensor workspace = context.empty({static_cast<int64_t>(kernels::focal_loss_workspace(args))}, DType::U8);
  args.workspace = workspace.raw();
  kernels::traffic::declare(context.queue, kernels::traffic::focal_loss(args));
  kernels::focal_loss(context.queue, args);
}

template <class T>
void regression_loss(Context& context, const std::vector<Tensor>& deltas, const ModelConfig& config,
                     const Matched& matched, const Tensor& anchors, const Truth& truth, const LossOutputs& out) {
  kernels::BoxLossArgs<T> args;
  args.deltas = level_view<T>(deltas, config.anchors.per_location(), 4);
  args.anchors = anchors.data<float>();
  args.matches = matched.matches.data<int32_t>();
  args.truth = truth.boxes.data<float>();
  args.max_boxes = static_cast<int>(truth.boxes.shape()[1]);
  args.kind = kernel_of(config.loss.box);
  args.beta = static_cast<float>(config.loss.beta);
  args.coder = box_coder(config);
  set_outputs<T>(args, out, config.anchors.per_location(), 4, matched);
  const Tensor workspace = context.empty({static_cast<int64_t>(kernels::box_loss_workspace(args))}, DType::U8);
  args.workspace = workspace.raw();
  kernels::traffic::declare(context.queue, kernels::traffic::box_loss(args));
  kernels::box_loss(context.queue, args);
}

// A copy of `assignment` ([images, anchors]) in which only the anchors first … last − 1 of each image count.
Tensor ignored_elsewhere(Context& context, const Tensor& assignment, int64_t first, int64_t last) {
  auto values = assignment.to_host<int32_t>();
  const int64_t anchors = assignment.shape()[1];
  for (int64_t i = 0; i < assignment.count(); ++i)
    if (i % anchors < first || i % anchors >= last) values[i] = kIgnored;
  return Tensor::from(context.memory, assignment.shape(), values);
}

std::vector<Tensor> empty_like(Context& context, const std::vector<Tensor>& levels) {
  std::vector<Tensor> same;
  for (const Tensor& level : levels) same.push_back(context.empty(level.shape(), level.dtype()));
  return same;
}

}  // namespace

Losses detection_loss(Tape& tape, const Outputs& outputs, const ModelConfig& config, const LossTables& tables,
                      const Truth& truth, const Parameter& logits_bias, const Parameter& deltas_bias) {
  Context& context = tape.context();
  Matched matched = match(context, config, tables.anchors, truth);
  const Tensor both = context.empty({2}, DType::F32);
  Losses losses{both.view({1}, 0), both.view({1}, 1), matched.positives};
  dispatch(outputs.logits[0].dtype(), [&]<class T> {
    matched.targets = learned_targets<T>(context, outputs.logits, config, tables, matched.targets);
    classification_loss<T>(context, outputs.logits, config, tables, matched,
                           {outputs.logits, bias_gradient(tape, logits_bias), losses.classification});
    regression_loss<T>(context, outputs.deltas, config, matched, tables.anchors, truth,
                       {outputs.deltas, bias_gradient(tape, deltas_bias), losses.box});
  });
  if (context.ranks != nullptr) context.ranks->all_reduce_sum(context.queue, both.data<float>(), both.count());
  for (const auto* levels : {&outputs.logits, &outputs.deltas})
    for (const Tensor& output : *levels) tape.gradients().give(output, output);
  return losses;
}

Tensor anchor_targets(Context& context, const ModelConfig& config, const Tensor& anchors, const Truth& truth) {
  return match(context, config, anchors, truth).targets;
}

std::vector<LevelLosses> losses_by_level(Context& context, const Outputs& outputs, const ModelConfig& config,
                                         const LossTables& tables, const Truth& truth) {
  Matched all = match(context, config, tables.anchors, truth);
  dispatch(outputs.logits[0].dtype(),
           [&]<class T> { all.targets = learned_targets<T>(context, outputs.logits, config, tables, all.targets); });
  const auto logits_gradient = empty_like(context, outputs.logits),
             deltas_gradient = empty_like(context, outputs.deltas);
  const Tensor classification = context.empty({1}, DType::F32), box = context.empty({1}, DType::F32);
  std::vector<LevelLosses> losses;
  int64_t first = 0;
  for (const Tensor& level : outputs.logits) {
    const int64_t last = first + int64_t{level.height()} * level.width() * config.anchors.per_location();
    Matched alone = all;
    alone.targets = ignored_elsewhere(context, all.targets, first, last);
    alone.matches = ignored_elsewhere(context, all.matches, first, last);
    dispatch(level.dtype(), [&]<class T> {
      classification_loss<T>(context, outputs.logits, config, tables, alone, {logits_gradient, {}, classification});
      regression_loss<T>(context, outputs.deltas, config, alone, tables.anchors, truth, {deltas_gradient, {}, box});
    });
    losses.push_back({classification.to_host<float>()[0], box.to_host<float>()[0]});
    first = last;
  }
  return losses;
}

}  // namespace fovea
