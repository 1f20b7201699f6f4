#include "model/weight_family.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "model/backbone/kinds.h"
#include "model/names.h"

namespace fovea {
namespace {

constexpr bool kCaffe = true, kSizeMajor = true;
constexpr FamilyTraits kFamilies[] = {
    {WeightFamily::Torchvision, "torchvision", "torchvision", !kCaffe, !kSizeMajor},
    {WeightFamily::Torchvision2020, "torchvision_2020", "torchvision before 0.14", !kCaffe, !kSizeMajor},
    {WeightFamily::Detectron2, "detectron2", "detectron2", kCaffe, kSizeMajor},
    {WeightFamily::Detectron2Rgb, "detectron2_rgb", "detectron2, its images in RGB", !kCaffe, kSizeMajor},
    {WeightFamily::MMDetection, "mmdetection", "mmdetection", !kCaffe, !kSizeMajor},
    {WeightFamily::MMDetectionCaffe, "mmdetection_caffe", "mmdetection, its backbone Caffe's", kCaffe, !kSizeMajor},
    {WeightFamily::Odtk, "odtk", "ODTK", !kCaffe, kSizeMajor}};

// What a name begins with, ours and theirs. "#" stands for a whole number; the first of `own` is written as
// factor·n + add, the others as they are. In `theirs`, "@" is the place behind the tower's layers, "%" ODTK's word for
// the backbone. The first row that fits counts.
struct NameRow {
  const char *own, *theirs;
  int factor = 1, add = 0;
};

constexpr NameRow k2020[] = {{"backbone.fpn.inner_blocks.#.0.", "backbone.fpn.inner_blocks.#."},
                             {"backbone.fpn.layer_blocks.#.0.", "backbone.fpn.layer_blocks.#."},
                             {"head.classification_head.conv.#.0.", "head.classification_head.conv.#.", 2},
                             {"head.regression_head.conv.#.0.", "head.regression_head.conv.#.", 2}};

constexpr NameRow kDetectron2[] = {
    {"backbone.body.conv1.", "backbone.bottom_up.stem.conv1."},
    {"backbone.body.bn1.", "backbone.bottom_up.stem.conv1.norm."},
    {"backbone.body.layer#.#.conv#.", "backbone.bottom_up.res#.#.conv#.", 1, 1},
    {"backbone.body.layer#.#.bn#.", "backbone.bottom_up.res#.#.conv#.norm.", 1, 1},
    {"backbone.body.layer#.#.downsample.0.", "backbone.bottom_up.res#.#.shortcut.", 1, 1},
    {"backbone.body.layer#.#.downsample.1.", "backbone.bottom_up.res#.#.shortcut.norm.", 1, 1},
    {"backbone.fpn.inner_blocks.#.0.", "backbone.fpn_lateral#.", 1, 3},
    {"backbone.fpn.layer_blocks.#.0.", "backbone.fpn_output#.", 1, 3},
    {"backbone.fpn.extra_blocks.", "backbone.top_block."},
    {"head.classification_head.conv.#.0.", "head.cls_subnet.#.", 2},
    {"head.regression_head.conv.#.0.", "head.bbox_subnet.#.", 2},
    {"head.classification_head.cls_logits.", "head.cls_score."},
    {"head.regression_head.bbox_reg.", "head.bbox_pred."}};

constexpr NameRow kMMDetection[] = {{"backbone.body.", "backbone."},
                                    {"backbone.fpn.inner_blocks.#.0.", "neck.lateral_convs.#.conv."},
                                    {"backbone.fpn.layer_blocks.#.0.", "neck.fpn_convs.#.conv."},
                                    {"backbone.fpn.extra_blocks.p6.", "neck.fpn_convs.3.conv."},
                                    {"backbone.fpn.extra_blocks.p7.", "neck.fpn_convs.4.conv."},
                                    {"head.classification_head.conv.#.0.", "bbox_head.cls_convs.#.conv."},
                                    {"head.classification_head.conv.#.1.", "bbox_head.cls_convs.#.gn."},
                                    {"head.regression_head.conv.#.0.", "bbox_head.reg_convs.#.conv."},
                                    {"head.regression_head.conv.#.1.", "bbox_head.reg_convs.#.gn."},
                                    {"head.classification_head.cls_logits.", "bbox_head.retina_cls."},
                                    {"head.regression_head.bbox_reg.", "bbox_head.retina_reg."}};

constexpr NameRow kOdtk[] = {{"backbone.body.", "backbones.%.features."},
                             {"backbone.fpn.inner_blocks.#.0.", "backbones.%.lateral#.", 1, 3},
                             {"backbone.fpn.layer_blocks.#.0.", "backbones.%.smooth#.", 1, 3},
                             {"backbone.fpn.extra_blocks.p6.", "backbones.%.pyramid6."},
                             {"backbone.fpn.extra_blocks.p7.", "backbones.%.pyramid7."},
                             {"head.classification_head.conv.#.0.", "cls_head.#.", 2},
                             {"head.regression_head.conv.#.0.", "box_head.#.", 2},
                             {"head.classification_head.cls_logits.", "cls_head.@."},
                             {"head.regression_head.bbox_reg.", "box_head.@."}};

std::span<const NameRow> rows_of(WeightFamily family) {
  switch (family) {
    case WeightFamily::Torchvision:
      return {};
    case WeightFamily::Torchvision2020:
      return k2020;
    case WeightFamily::Detectron2:
    case WeightFamily::Detectron2Rgb:
      return kDetectron2;
    case WeightFamily::MMDetection:
    case WeightFamily::MMDetectionCaffe:
      return kMMDetection;
    case WeightFamily::Odtk:
      break;
  }
  return kOdtk;
}

// The numbers at the row's "#" if `name` begins as the row says, and how long that beginning is.
bool begins_as(std::string_view row, std::string_view name, std::vector<int>& numbers, size_t& length) {
  numbers.clear();
  size_t at = 0;
  for (const char c : row) {
    if (at == name.size()) return false;
    if (c != '#') {
      if (name[at++] != c) return false;
      continue;
    }
    constexpr int kMost = 1'000'000;
    int number = 0;
    const size_t begin = at;
    for (; at < name.size() && std::isdigit(static_cast<unsigned char>(name[at])) != 0 && number < kMost; ++at)
      number = 10 * number + (name[at] - '0');
    if (at == begin) return false;
    numbers.push_back(number);
  }
  length = at;
  return true;
}

// Where a family's anchor stands whose size and ratio are ours of `octave` and `ratio`. ODTK's ratios stand in the
// order 1, 2, 0.5.
size_t place_of_anchor(WeightFamily family, const AnchorConfig& anchors, size_t ratio, size_t octave) {
  const size_t octaves = anchors.octaves.size(), ratios = anchors.ratios.size();
  if (!traits_of(family).size_major) return ratio * octaves + octave;
  static const std::vector<double> of_odtk{1, 2, 0.5};
  const bool usual = family == WeightFamily::Odtk && ratios == of_odtk.size() &&
                     std::is_permutation(of_odtk.begin(), of_odtk.end(), anchors.ratios.begin());
  const auto found = std::find(of_odtk.begin(), of_odtk.end(), anchors.ratios[ratio]);
  return octave * ratios + (usual ? static_cast<size_t>(found - of_odtk.begin()) : ratio);
}

enum class Axis : uint8_t { None, Anchors, Channels };
Axis rearranged_axis(WeightFamily family, const std::string& own) {
  const FamilyTraits& traits = traits_of(family);
  const auto of = [&](const char* head, const char* output) {
    return own.starts_with(std::string(head) + "." + output + ".");
  };
  if (traits.size_major && (of(names::kClassHead, names::kLogits) || of(names::kBoxHead, names::kDeltas)))
    return Axis::Anchors;
  return traits.caffe && own == names::kBackbone + std::string("conv1.weight") ? Axis::Channels : Axis::None;
}

// Of each of our places along the axis, theirs.
std::vector<size_t> places(WeightFamily family, Axis axis, const ModelConfig& config) {
  if (axis == Axis::Channels) return {2, 1, 0};
  std::vector<size_t> theirs;
  for (size_t ratio = 0; ratio < config.anchors.ratios.size(); ++ratio)
    for (size_t octave = 0; octave < config.anchors.octaves.size(); ++octave)
      theirs.push_back(place_of_anchor(family, config.anchors, ratio, octave));
  return theirs;
}

std::vector<std::byte> rearranged(WeightFamily family, const std::string& own, std::span<const std::byte> values,
                                  const std::vector<int64_t>& shape, const ModelConfig& config, bool to_theirs) {
  std::vector<std::byte> result(values.begin(), values.end());
  const Axis axis = rearranged_axis(family, own);
  if (axis == Axis::None || values.empty()) return result;
  const std::vector<size_t> theirs = places(family, axis, config);
  const size_t along = axis == Axis::Channels ? 1 : 0;  // the axis's place among the tensor's
  require(shape.size() > along && static_cast<size_t>(shape[along]) % theirs.size() == 0,
          "a tensor's shape does not fit its place in the network");
  const size_t outer = along == 0 ? 1 : static_cast<size_t>(shape[0]), block = values.size() / outer / theirs.size();
  for (size_t o = 0; o < outer; ++o)
    for (size_t i = 0; i < theirs.size(); ++i) {
      const size_t ours_at = (o * theirs.size() + i) * block, theirs_at = (o * theirs.size() + theirs[i]) * block;
      std::memcpy(result.data() + (to_theirs ? theirs_at : ours_at), values.data() + (to_theirs ? ours_at : theirs_at),
                  block);
    }
  return result;
}

}  // namespace

std::span<const FamilyTraits> weight_families() { return kFamilies; }

const FamilyTraits& traits_of(WeightFamily family) { return kFamilies[static_cast<size_t>(family)]; }

std::string family_name(WeightFamily family, const std::string& own, const ModelConfig& config) {
  std::vector<int> numbers;
  size_t length = 0;
  for (const NameRow& row : rows_of(family)) {
    if (!begins_as(row.own, own, numbers, length)) continue;
    std::string name;
    size_t number = 0;
    for (const char* c = row.theirs; *c != 0; ++c) {
      if (*c == '#') {
        name += std::to_string(number == 0 ? row.factor * numbers[0] + row.add : numbers[number]);
        ++number;
      } else if (*c == '@') {
        name += std::to_string(2 * config.head.convolutions);
      } else if (*c == '%') {
        name += odtk_backbone(config.backbone);
      } else {
        name += *c;
      }
    }
    return name + own.substr(length);
  }
  return own;
}

bool is_torchvision(WeightFamily family) {
  return family == WeightFamily::Torchvision || family == WeightFamily::Torchvision2020;
}
bool is_mmdetection(WeightFamily family) {
  return family == WeightFamily::MMDetection || family == WeightFamily::MMDetectionCaffe;
}

std::string missing_in(WeightFamily family, const ModelConfig& config) {
  if (!is_torchvision(family) && !is_residual(config.backbone.kind))
    return fmt::format("a backbone {}", backbone_name(config.backbone));
  if (family == WeightFamily::Odtk && odtk_backbone(config.backbone).empty())
    return fmt::format("a backbone {} of these widths and blocks", backbone_name(config.backbone));
  if (family == WeightFamily::Odtk && (config.head.convolutions != 4 || config.fpn.channels != 256))
    return fmt::format("heads of {} convolutions on {} channels", config.head.convolutions, config.fpn.channels);
  if (config.head.norm != Norm::None && family != WeightFamily::Torchvision && !is_mmdetection(family))
    return "heads with group norm and without biases";
  return "";
}

bool is_rearranged(WeightFamily family, const std::string& own) { return rearranged_axis(family, own) != Axis::None; }

std::vector<std::byte> to_family(WeightFamily family, const std::string& own, std::span<const std::byte> values,
                                 const std::vector<int64_t>& shape, const ModelConfig& config) {
  return rearranged(family, own, values, shape, config, /*to_theirs=*/true);
}

std::vector<std::byte> from_family(WeightFamily family, const std::string& own, std::span<const std::byte> values,
                                   const std::vector<int64_t>& shape, const ModelConfig& config) {
  return rearranged(family, own, values, shape, config, /*to_theirs=*/false);
}

std::string odtk_backbone(const BackboneConfig& config) {
  const BackboneConfig usual;
  const ConvGroups groups = groups_of(config);
  if (!is_residual(config.kind) || config.width_divisor != 1 || config.stem_width != usual.stem_width ||
      !config.layers.empty())
    return "";
  if (config.kind == BackboneKind::ResNet)
    return groups.width == 64 ? fmt::format("ResNet{}FPN", config.depth) : std::string();
  const bool known = (config.depth == 50 && groups.width == 4) || (config.depth == 101 && groups.width == 8);
  return known && groups.count == 32 ? fmt::format("ResNeXt{}_{}x{}dFPN", config.depth, groups.count, groups.width)
                                     : std::string();
}

}  // namespace fovea
