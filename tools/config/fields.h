// Every field of the configuration, named once. A visitor is called as visitor("section.key", field).
#pragma once
#include "engine/context.h"
#include "engine/norm.h"
#include "engine/optimizer.h"
#include "engine/schedule.h"
#include "kernels/conv/conv.h"
#include "model/choices.h"

namespace fovea {

template <class Enum>
struct EnumName {
  Enum value;
  const char* name;
};

template <class E>
struct EnumTable;
template <>
struct EnumTable<Norm> {
  static constexpr EnumName<Norm> names[] = {
      {Norm::None, "none"}, {Norm::FrozenBatch, "frozen_batch"}, {Norm::Batch, "batch"}, {Norm::Group, "group"}};
};
template <>
struct EnumTable<BackboneKind> {
  static constexpr EnumName<BackboneKind> names[] = {{BackboneKind::ResNet, "resnet"},
                                                     {BackboneKind::ResNeXt, "resnext"},
                                                     {BackboneKind::Vgg, "vgg"},
                                                     {BackboneKind::Inception, "inception"}};
};
template <>
struct EnumTable<LossKind> {
  static constexpr EnumName<LossKind> names[] = {{LossKind::Focal, "focal"},
                                                 {LossKind::FocalStar, "focal_star"},
                                                 {LossKind::CrossEntropy, "cross_entropy"},
                                                 {LossKind::Ohem, "ohem"},
                                                 {LossKind::Ssd, "ssd"}};
};
template <>
struct EnumTable<BoxLoss> {
  static constexpr EnumName<BoxLoss> names[] = {{BoxLoss::L1, "l1"},
                                                {BoxLoss::SmoothL1, "smooth_l1"},
                                                {BoxLoss::GIoU, "giou"},
                                                {BoxLoss::DIoU, "diou"},
                                                {BoxLoss::CIoU, "ciou"}};
};
template <>
struct EnumTable<LossNormalizer> {
  static constexpr EnumName<LossNormalizer> names[] = {{LossNormalizer::PerImage, "image"},
                                                       {LossNormalizer::PerBatch, "batch"}};
};
template <>
struct EnumTable<OptimizerConfig::Kind> {
  static constexpr EnumName<OptimizerConfig::Kind> names[] = {{OptimizerConfig::Kind::Sgd, "sgd"},
                                                              {OptimizerConfig::Kind::AdamW, "adamw"}};
};
template <>
struct EnumTable<Schedule::Kind> {
  static constexpr EnumName<Schedule::Kind> names[] = {
      {Schedule::Kind::Constant, "constant"}, {Schedule::Kind::Steps, "steps"}, {Schedule::Kind::Cosine, "cosine"}};
};
template <>
struct EnumTable<Precision> {
  static constexpr EnumName<Precision> names[] = {
      {Precision::Auto, "auto"}, {Precision::F32, "fp32"}, {Precision::TF32, "tf32"}, {Precision::BF16, "bf16"}};
};
template <>
struct EnumTable<kernels::ConvAlgorithm> {
  static constexpr EnumName<kernels::ConvAlgorithm> names[] = {{kernels::ConvAlgorithm::Auto, "auto"},
                                                               {kernels::ConvAlgorithm::Direct, "direct"},
                                                               {kernels::ConvAlgorithm::Winograd, "winograd"}};
};

template <class E>
const char* word_of(E value) {
  for (const auto& entry : EnumTable<E>::names)
    if (entry.value == value) return entry.name;
  return "?";
}

// C is Config or const Config.
template <class C, class Visitor>
void visit_fields(C& c, Visitor&& v) {
  v("seed", c.seed);
  v("precision", c.precision);
  v("convolution", c.convolution);
  v("autotune", c.autotune);

  v("model.classes", c.model.classes);
  v("model.backbone.kind", c.model.backbone.kind);
  v("model.backbone.depth", c.model.backbone.depth);
  v("model.backbone.layers", c.model.backbone.layers);
  v("model.backbone.groups", c.model.backbone.groups);
  v("model.backbone.group_width", c.model.backbone.group_width);
  v("model.backbone.width_divisor", c.model.backbone.width_divisor);
  v("model.backbone.stem_width", c.model.backbone.stem_width);
  v("model.backbone.stride_in_1x1", c.model.backbone.stride_in_1x1);
  v("model.backbone.norm", c.model.backbone.norm);
  v("model.backbone.norm_groups", c.model.backbone.norm_groups);
  v("model.backbone.norm_epsilon", c.model.backbone.norm_epsilon);
  v("model.backbone.frozen_stages", c.model.backbone.frozen_stages);
  v("model.fpn.channels", c.model.fpn.channels);
  v("model.fpn.p6_from_c5", c.model.fpn.p6_from_c5);
  v("model.fpn.relu_before_p7", c.model.fpn.relu_before_p7);
  v("model.head.convolutions", c.model.head.convolutions);
  v("model.head.norm", c.model.head.norm);
  v("model.head.norm_groups", c.model.head.norm_groups);
  v("model.head.prior", c.model.head.prior);
  v("model.anchors.sizes", c.model.anchors.sizes);
  v("model.anchors.octaves", c.model.anchors.octaves);
  v("model.anchors.ratios", c.model.anchors.ratios);
  v("model.anchors.rounded", c.model.anchors.rounded);
  v("model.anchors.offset", c.model.anchors.offset);
  v("model.anchors.inclusive", c.model.anchors.inclusive);
  v("model.loss.kind", c.model.loss.kind);
  v("model.loss.alpha", c.model.loss.alpha);
  v("model.loss.gamma", c.model.loss.gamma);
  v("model.loss.star_beta", c.model.loss.star_beta);
  v("model.loss.mining_batch", c.model.loss.mining_batch);
  v("model.loss.mining_nms", c.model.loss.mining_nms);
  v("model.loss.mining_ratio", c.model.loss.mining_ratio);
  v("model.loss.class_weights", c.model.loss.class_weights);
  v("model.loss.effective_number", c.model.loss.effective_number);
  v("model.loss.box", c.model.loss.box);
  v("model.loss.beta", c.model.loss.beta);
  v("model.loss.coder_weights", c.model.loss.coder_weights);
  v("model.loss.normalizer", c.model.loss.normalizer);
  v("model.loss.match_high", c.model.loss.match_high);
  v("model.loss.match_low", c.model.loss.match_low);
  v("model.loss.low_quality_matches", c.model.loss.low_quality_matches);
  v("model.detect.score_threshold", c.model.detect.score_threshold);
  v("model.detect.candidates_per_level", c.model.detect.candidates_per_level);
  v("model.detect.nms_threshold", c.model.detect.nms_threshold);
  v("model.detect.per_image", c.model.detect.per_image);
  v("model.detect.class_agnostic", c.model.detect.class_agnostic);

  v("input.short_side", c.input.short_side);
  v("input.long_side", c.input.long_side);
  v("input.pad_to", c.input.pad_to);
  v("input.antialias", c.input.antialias);
  v("input.flip", c.input.flip);
  v("input.mean", c.input.mean);
  v("input.std", c.input.std);
  v("input.workers", c.input.workers);
  v("input.prefetch", c.input.prefetch);
  v("input.prefetch_mb", c.input.prefetch_mb);
  v("input.cache_mb", c.input.cache_mb);
  v("input.max_pixels", c.input.max_pixels);
  v("input.jpeg_scaling", c.input.jpeg_scaling);
  v("input.shape_buckets", c.input.shape_buckets);
  v("input.augment.vertical_flip", c.input.augment.vertical_flip);
  v("input.augment.crop", c.input.augment.crop);
  v("input.augment.smallest_crop", c.input.augment.smallest_crop);
  v("input.augment.photometric", c.input.augment.photometric);
  v("input.augment.rotation", c.input.augment.rotation);
  v("input.augment.mosaic", c.input.augment.mosaic);
  v("input.augment.mixup", c.input.augment.mixup);

  v("train.steps", c.train.steps);
  v("train.batch", c.train.batch);
  v("train.sync_batch_norm", c.train.sync_batch_norm);
  v("train.log_every", c.train.log_every);
  v("train.checkpoint_every", c.train.checkpoint_every);
  v("train.eval_every", c.train.eval_every);
  v("train.eval_batch", c.train.eval_batch);
  v("train.non_finite_limit", c.train.non_finite_limit);
  v("train.record", c.train.record);
  v("train.optimizer.kind", c.train.optimizer.kind);
  v("train.optimizer.momentum", c.train.optimizer.momentum);
  v("train.optimizer.nesterov", c.train.optimizer.nesterov);
  v("train.optimizer.weight_decay", c.train.optimizer.weight_decay);
  v("train.optimizer.decay_norm_and_bias", c.train.optimizer.decay_norm_and_bias);
  v("train.optimizer.beta1", c.train.optimizer.beta1);
  v("train.optimizer.beta2", c.train.optimizer.beta2);
  v("train.optimizer.epsilon", c.train.optimizer.epsilon);
  v("train.optimizer.clip_norm", c.train.optimizer.clip_norm);
  v("train.optimizer.backbone_lr_scale", c.train.optimizer.backbone_lr_scale);
  v("train.optimizer.ema_decay", c.train.optimizer.ema_decay);
  v("train.schedule.kind", c.train.schedule.kind);
  v("train.schedule.base", c.train.schedule.base);
  v("train.schedule.reference_batch", c.train.schedule.reference_batch);
  v("train.schedule.warmup_steps", c.train.schedule.warmup_steps);
  v("train.schedule.warmup_factor", c.train.schedule.warmup_factor);
  v("train.schedule.milestones", c.train.schedule.milestones);
  v("train.schedule.gamma", c.train.schedule.gamma);
  v("train.schedule.final_factor", c.train.schedule.final_factor);
}

}  // namespace fovea
