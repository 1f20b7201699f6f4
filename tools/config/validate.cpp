// Which configurations are refused.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <type_traits>

#include "kernels/error.h"
#include "kernels/focal_loss.h"
#include "model/backbone/inception.h"
#include "model/backbone/kinds.h"
#include "tools/config/config.h"
#include "tools/config/fields.h"

namespace fovea {

namespace {
// Of a list of numbers.
template <class List>
bool all_positive(const List& list) {
  return std::all_of(list.begin(), list.end(), [](double value) { return value > 0; });
}
bool is_share(double value) { return value >= 0 && value <= 1; }
int smallest_input(const InputConfig& input) {
  return std::min(input.long_side, *std::min_element(input.short_side.begin(), input.short_side.end()));
}

[[noreturn]] void refuse_configuration(const std::string& what) {
  throw Error(ErrorKind::Usage, "configuration: " + what);
}

void need(bool holds, const std::string& what) {
  if (!holds) refuse_configuration(what);
}

// Beyond these no training or detection makes sense, and the arithmetic overflows.
struct Range {
  std::string_view key;
  double low, high;
};
constexpr Range kRanges[] = {
    {"model.classes", 1, 1e6},
    {"model.backbone.stem_width", 1, 4096},
    {"model.backbone.layers", 1, 1000},
    {"model.fpn.channels", 1, 65536},
    {"model.head.convolutions", 0, 1000},
    {"model.anchors.sizes", 0, 1e5},
    {"model.anchors.octaves", -8, 8},
    {"model.anchors.ratios", 1e-3, 1e3},
    {"model.loss.alpha", -1, 1},
    {"model.loss.gamma", 0, 100},
    {"model.loss.star_beta", -100, 100},
    {"model.loss.mining_batch", 1, 1e6},
    {"model.loss.mining_nms", 0, 1},
    {"model.loss.mining_ratio", 0, 1e4},
    {"model.loss.class_weights", 1e-4, 1e4},
    {"model.loss.beta", 0, 1e3},
    {"model.loss.coder_weights", 0, 1e4},
    {"input.short_side", 8, 1e5},
    {"input.long_side", 8, 1e5},
    {"input.pad_to", 1, 4096},
    {"input.mean", -1e3, 1e3},
    {"input.std", 0, 1e3},
    {"input.workers", 0, 4096},
    {"train.optimizer.momentum", 0, 1},
    {"train.optimizer.weight_decay", 0, 100},
    {"train.optimizer.beta1", 0, 1},
    {"train.optimizer.beta2", 0, 1},
    {"train.optimizer.epsilon", 0, 1},
    {"train.optimizer.clip_norm", 0, 1e9},
    {"train.optimizer.backbone_lr_scale", 0, 1e3},
    {"train.optimizer.ema_decay", 0, 1},
    {"train.schedule.base", 0, 1e30},
    {"train.schedule.warmup_steps", 0, 1e9},
    {"train.schedule.warmup_factor", 0, 1},
    {"train.schedule.milestones", 0, 1e9},
    {"train.schedule.gamma", 0, 10},
    {"train.schedule.final_factor", 0, 10},
};

// Calls visit(key, number) for the numbers of all fields, those of lists one by one.
template <class Visit>
void visit_numbers(const Config& config, Visit&& visit) {
  visit_fields(config, [&]<class T>(std::string_view key, const T& field) {
    if constexpr (std::is_arithmetic_v<T>)
      visit(key, static_cast<double>(field));
    else if constexpr (requires { field.begin(); })
      for (const auto value : field) visit(key, static_cast<double>(value));
  });
}

void require_finite(const Config& config) {
  visit_numbers(config, [](std::string_view key, double value) {
    if (!std::isfinite(value)) refuse_configuration(fmt::format("{} must be finite", key));
  });
}

void require_in_range(const Config& config) {
  visit_numbers(config, [](std::string_view key, double value) {
    for (const Range& range : kRanges)
      if (key == range.key && (value < range.low || value > range.high))
        refuse_configuration(fmt::format("{} must lie between {:g} and {:g}", key, range.low, range.high));
  });
}

// What each kind of backbone has, and what it has not.
void validate_backbone(const BackboneConfig& b) {
  const BackboneConfig usual;
  const std::string kind = word_of(b.kind);
  const bool residual = is_residual(b.kind);
  const auto depths = depths_of(b.kind);
  need(std::find(depths.begin(), depths.end(), b.depth) != depths.end(),
       fmt::format("model.backbone.depth = {}: of kind {} it is {}", b.depth, kind, fmt::join(depths, ", ")));
  const size_t stages = stages_of(b.kind);
  need(b.layers.empty() || (b.layers.size() == stages && all_positive(b.layers)),
       stages == 0 ? fmt::format("model.backbone.layers: kind {} has no choice of them", kind)
                   : fmt::format("model.backbone.layers must be empty or {} positive numbers, the {} of each stage",
                                 stages, residual ? "blocks" : "convolutions"));
  need(b.groups == 0 || (b.kind == BackboneKind::ResNeXt && b.groups > 0),
       fmt::format("model.backbone.groups = {}: only kind resnext has groups, and at least 1", b.groups));
  need(b.groups <= 1024 && b.group_width <= 4096,
       "model.backbone.groups must be at most 1024, model.backbone.group_width at most 4096");
  const bool bottleneck = residual && b.depth >= 50;
  need(b.group_width == 0 || (bottleneck && b.group_width > 0),
       fmt::format("model.backbone.group_width = {}: only resnet and resnext from depth 50 on have one, at least 1",
                   b.group_width));
  // The greatest common divisor of the kind's widths.
  const int divisible = b.kind == BackboneKind::Inception ? 16 : 64;
  need(b.width_divisor >= 1 && divisible % b.width_divisor == 0,
       fmt::format("model.backbone.width_divisor must divide {}", divisible));
  need(!bottleneck || divisible / b.width_divisor * groups_of(b).width / 64 >= 1,
       fmt::format("model.backbone.width_divisor = {} leaves the groups of the first stage without a channel: set a "
                   "smaller one, or model.backbone.group_width to at least {}",
                   b.width_divisor, b.width_divisor));
  need(b.stem_width >= 1, "model.backbone.stem_width must be at least 1");
  need(residual || b.stem_width == usual.stem_width,
       fmt::format("model.backbone.stem_width: kind {} has no choice of it", kind));
  need(b.frozen_stages >= 0 && b.frozen_stages <= 5,
       fmt::format("model.backbone.frozen_stages must be 0 (none) to 5 ({})",
                   residual ? "the stem and all four stages" : "all five stages"));
  need(b.norm_groups >= 1, "model.backbone.norm_groups must be at least 1");
  const bool stem_divides = !residual || b.stem_width % b.norm_groups == 0;
  need(b.norm != Norm::Group || (stem_divides && divisible / b.width_divisor % b.norm_groups == 0),
       fmt::format("model.backbone.norm_groups must divide {}{}", residual ? "the stem's width and " : "",
                   divisible / b.width_divisor));
}

void validate_loss(const LossConfig& loss) {
  need(loss.gamma >= 0, "model.loss.gamma must not be negative");
  need(loss.kind != LossKind::FocalStar || loss.gamma >= kernels::kSmallestStarGamma,
       fmt::format("model.loss.gamma must be at least {:g} for kind focal_star", kernels::kSmallestStarGamma));
  need(loss.kind != LossKind::Ohem || loss.mining_batch > loss.mining_ratio,
       fmt::format("model.loss.mining_batch = {} is too small for a positive and mining_ratio = {} negatives",
                   loss.mining_batch, loss.mining_ratio));
  need(loss.effective_number >= 0 && loss.effective_number < 1,
       "model.loss.effective_number must be 0 (none), or below 1, e.g. 0.999");
  need(loss.effective_number == 0 || loss.class_weights.empty(),
       "model.loss.effective_number makes the class weights itself: set it or model.loss.class_weights");
  need(loss.beta > 0, "model.loss.beta must be positive");
  need(all_positive(loss.coder_weights), "model.loss.coder_weights must be positive");
  need(is_share(loss.match_low) && is_share(loss.match_high),
       "model.loss.match_low and match_high must lie between 0 and 1");
  need(loss.match_low <= loss.match_high, "model.loss.match_low must not exceed match_high");
}

}  // namespace

void validate(const Config& c) {
  require_finite(c);
  validate_backbone(c.model.backbone);
  need(c.model.classes >= 1, "model.classes must be at least 1");
  need(c.model.head.norm_groups >= 1, "model.head.norm_groups must be at least 1");
  need(c.model.fpn.channels >= 1, "model.fpn.channels must be at least 1");
  need(c.model.head.norm == Norm::None || c.model.head.norm == Norm::Group, "model.head.norm must be none or group");
  need(c.model.head.norm == Norm::None || c.model.fpn.channels % c.model.head.norm_groups == 0,
       "model.head.norm_groups must divide model.fpn.channels");
  need(c.model.head.convolutions >= 0, "model.head.convolutions must not be negative");
  need(c.model.head.prior > 0 && c.model.head.prior < 1, "model.head.prior must lie between 0 and 1");
  need(!c.model.anchors.octaves.empty() && !c.model.anchors.ratios.empty(),
       "model.anchors needs at least one octave and one ratio");
  need(all_positive(c.model.anchors.sizes), "model.anchors.sizes must be positive");
  need(all_positive(c.model.anchors.ratios), "model.anchors.ratios must be positive");
  validate_loss(c.model.loss);
  need(c.model.detect.per_image >= 1 && c.model.detect.candidates_per_level >= 1,
       "model.detect.per_image and candidates_per_level must be at least 1");
  need(is_share(c.model.detect.score_threshold) && is_share(c.model.detect.nms_threshold),
       "model.detect.score_threshold and nms_threshold must lie between 0 and 1");
  need(!c.input.short_side.empty() && *std::min_element(c.input.short_side.begin(), c.input.short_side.end()) >= 1,
       "input.short_side needs at least one positive size");
  need(c.input.long_side >= 1 && c.input.pad_to >= 1, "input.long_side and pad_to must be positive");
  need(c.input.mean.size() == 3 && c.input.std.size() == 3, "input.mean and std need three values");
  need(c.model.backbone.kind != BackboneKind::Inception || smallest_input(c.input) >= Inception::kSmallestImage,
       fmt::format("input.short_side and long_side must be at least {} for Inception", Inception::kSmallestImage));
  need(all_positive(c.input.std), "input.std must be positive");
  need(c.input.flip >= 0 && c.input.flip <= 1, "input.flip must lie between 0 and 1");
  need(c.input.workers >= 0 && c.input.prefetch >= 1 && c.input.prefetch_mb >= 0 && c.input.cache_mb >= 0,
       "input.workers, prefetch_mb and cache_mb must not be negative, prefetch at least 1");
  need(c.input.max_pixels >= 1 && c.input.shape_buckets >= 0,
       "input.max_pixels must be at least 1, shape_buckets not negative");
  const AugmentConfig& a = c.input.augment;
  for (const double probability : {a.vertical_flip, a.crop, a.mosaic, a.mixup})
    need(probability >= 0 && probability <= 1,
         "input.augment.vertical_flip, crop, mosaic and mixup must lie between 0 and 1");
  need(a.smallest_crop > 0 && a.smallest_crop <= 1, "input.augment.smallest_crop must be above 0, at most 1");
  need(a.photometric >= 0 && a.photometric <= 1, "input.augment.photometric must lie between 0 and 1");
  need(a.rotation >= 0 && a.rotation <= 45, "input.augment.rotation must lie between 0 and 45 degrees");
  need(c.train.steps >= 0 && c.train.batch >= 1, "train.steps must not be negative, train.batch at least 1");
  need(c.train.log_every >= 1 && c.train.checkpoint_every >= 1 && c.train.eval_every >= 0 && c.train.eval_batch >= 0,
       "train.log_every and checkpoint_every must be at least 1, eval_every and eval_batch at least 0");
  need(c.train.schedule.base > 0 && c.train.schedule.reference_batch >= 0,
       "train.schedule.base must be positive, reference_batch at least 0");
  need(c.train.optimizer.beta1 < 1 && c.train.optimizer.beta2 < 1 && c.train.optimizer.ema_decay < 1,
       "train.optimizer.beta1, beta2 and ema_decay must be below 1");
  require_in_range(c);
}

}  // namespace fovea
