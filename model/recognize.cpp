#include "model/recognize.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/printable.h"
#include "model/backbone/kinds.h"
#include "model/cell_anchors.h"
#include "model/family_tensors.h"
#include "model/names.h"
#include "model/recognize_backbone.h"
#include "model/weight_names.h"
#include "model/weights.h"

namespace fovea {
namespace {

constexpr int kMostAnchors = 1000;  // of a location
constexpr int kMostClasses = 1'000'000;

bool is_detectron2(WeightFamily family) {
  return family == WeightFamily::Detectron2 || family == WeightFamily::Detectron2Rgb;
}

// What is no RetinaNet, by what a name begins with.
struct OtherNetwork {
  const char *prefix, *what;
};
constexpr OtherNetwork kOthers[] = {{"roi_heads.", "a Faster or Mask R-CNN"},
                                    {"roi_head.", "a Faster or Mask R-CNN"},
                                    {"proposal_generator.", "a region proposal network"},
                                    {"rpn", "a region proposal network"},
                                    {"transformer.", "a transformer's detector"},
                                    {"bbox_head.", "a head of mmdetection that is not its RetinaHead"},
                                    {"head.classification_head.module_list.", "an SSD"},
                                    {"model.0.", "a YOLO"},
                                    {"model.model.0.", "a YOLO"}};

[[noreturn]] void refuse_other(const TensorFile& file) {
  for (const auto& [name, tensor] : file.tensors())
    for (const OtherNetwork& other : kOthers)
      if (name.starts_with(other.prefix) || bare_name(name).starts_with(other.prefix))
        refuse_file(file, fmt::format("holds no RetinaNet: tensor '{}' is of {}", printable(name), other.what));
  if (const auto prefixes = detector_prefixes(file); prefixes.size() > 1)
    refuse_file(file,
                fmt::format("holds several detectors (their names begin with '{}' and '{}'): in Python, save the one "
                            "to take alone",
                            printable(prefixes[0]), printable(prefixes[1])));
  refuse_file(file, fmt::format("holds no detector (no tensor '{}'); weights of a backbone alone can start a training, "
                                "no more",
                                names::logits_bias()));
}

std::optional<WeightFamily> family_in_metadata(const TensorFile& file) {
  const auto word = file.metadata().find(kNamesKey);
  if (word != file.metadata().end())
    for (const FamilyTraits& traits : weight_families())
      if (word->second == traits.word) return traits.family;
  return std::nullopt;
}

// The heads: their norm, how many convolutions, and what comes out.
void recognize_heads(const FamilyTensors& tensors, Recognized& result) {
  ModelConfig& model = result.model;
  const std::string head = names::kClassHead;
  model.head.convolutions = 0;
  const auto has = [&](const std::string& own) { return !tensors.find(own, model).empty(); };
  constexpr int kMostConvolutions = 1000;
  while (model.head.convolutions < kMostConvolutions &&
         has(fmt::format("{}.conv.{}.0.weight", head, model.head.convolutions)))
    ++model.head.convolutions;
  if (result.family == WeightFamily::Odtk) --model.head.convolutions;  // the last one is the output
  if (has(head + ".conv.0.1.weight")) {
    model.head.norm = Norm::Group;
    model.head.norm_groups = std::gcd(model.head.norm_groups, model.fpn.channels);
    result.assumed.emplace_back("model.head.norm_groups");
  }
  const std::string deltas = fmt::format("{}.{}.bias", names::kBoxHead, names::kDeltas);
  const int columns = tensors.shape(deltas, 1, model)[0], logits = tensors.shape(names::logits_bias(), 1, model)[0];
  const int anchors = columns / 4;
  if (columns % 4 != 0 || anchors > kMostAnchors)
    tensors.refuse(tensors.find(deltas, model), fmt::format("has {} values, which are no boxes of anchors", columns));
  if (logits % anchors != 0 || logits / anchors > kMostClasses)
    tensors.refuse(tensors.find(names::logits_bias(), model),
                   fmt::format("has {} values, which is no number of classes for {} anchors", logits, anchors));
  result.anchors_per_location = anchors;
  model.classes = logits / anchors;
}

void recognize_pyramid(const FamilyTensors& tensors, Recognized& result, int c5_channels) {
  FpnConfig& fpn = result.model.fpn;
  const int from = tensors.shape("backbone.fpn.extra_blocks.p6.weight", 4, result.model)[1];
  if (c5_channels == fpn.channels)
    result.assumed.emplace_back("model.fpn.p6_from_c5");
  else
    fpn.p6_from_c5 = from == c5_channels;
}

// Three ratios and as many octaves as there are anchors for; where this does not fit, who uses the network must say.
void assume_anchors(Recognized& result) {
  AnchorConfig& anchors = result.model.anchors;
  const auto ratios = static_cast<int>(anchors.ratios.size());
  result.assumed.insert(result.assumed.end(), {"model.anchors.sizes", "model.anchors.octaves", "model.anchors.ratios"});
  if (result.anchors_per_location % ratios != 0) return;
  const int octaves = result.anchors_per_location / ratios;
  anchors.octaves.clear();
  for (int i = 0; i < octaves; ++i) anchors.octaves.push_back(static_cast<double>(i) / octaves);
}

// What the family's networks have where tensors do not tell, or not yet.
void assume_usual(Recognized& result) {
  ModelConfig& model = result.model;
  const FamilyTraits& traits = traits_of(result.family);
  model.anchors.rounded = is_torchvision(result.family);
  model.fpn.p6_from_c5 = !is_torchvision(result.family);
  result.mean = {0.485, 0.456, 0.406};
  result.deviation = {0.229, 0.224, 0.225};
  if (traits.caffe) result.deviation.fill(1.0 / 255);
  if (result.family == WeightFamily::Odtk) {
    model.anchors.offset = 0.5;
    model.anchors.inclusive = true;
    result.assumed.insert(result.assumed.end(), {"model.anchors.offset", "model.anchors.inclusive"});
  }
  if (is_mmdetection(result.family)) {
    model.fpn.relu_before_p7 = false;
    result.assumed.emplace_back("model.fpn.relu_before_p7");
  }
}

// Of the backbone, once it is known.
void assume_of_backbone(Recognized& result) {
  BackboneConfig& backbone = result.model.backbone;
  const bool bottleneck = is_residual(backbone.kind) && backbone.depth >= 50;
  // Caffe's ResNeXt has its strides in the 3×3 convolutions.
  backbone.stride_in_1x1 = bottleneck && backbone.kind == BackboneKind::ResNet && traits_of(result.family).caffe;
  if (bottleneck && !is_torchvision(result.family) && result.family != WeightFamily::Odtk)
    result.assumed.emplace_back("model.backbone.stride_in_1x1");
  if (result.family == WeightFamily::Torchvision2020 && backbone.norm == Norm::FrozenBatch) {
    backbone.norm_epsilon = 0;  // torchvision's published weights were trained so
    result.assumed.emplace_back("model.backbone.norm_epsilon");
  }
  if (backbone.norm == Norm::Group) result.assumed.emplace_back("model.backbone.norm_groups");
  if (backbone.kind == BackboneKind::Inception) {
    result.mean.fill(0.5);
    result.deviation.fill(0.5);
  }
}

// detectron2's means, where the file has them: BGR as the means of blue and red tell, deviations of 1 for Caffe's.
bool take_pixel_mean(const TensorFile& file, const FamilyTensors& tensors, bool named, Recognized& result) {
  const auto mean_at = tensors.names().find("pixel_mean"), deviation_at = tensors.names().find("pixel_std");
  if (!is_detectron2(result.family) || mean_at == tensors.names().end() || deviation_at == tensors.names().end())
    return false;
  for (const auto& at : {mean_at, deviation_at}) {
    const std::vector<int64_t>& shape = file.at(at->second).shape;
    if (shape.empty() || shape[0] != 3 ||
        std::any_of(shape.begin() + 1, shape.end(), [](int64_t size) { return size != 1; }))
      return false;
  }
  const auto mean = file.read<double>(mean_at->second), deviation = file.read<double>(deviation_at->second);
  if (!named) result.family = mean[0] < mean[2] ? WeightFamily::Detectron2 : WeightFamily::Detectron2Rgb;
  for (size_t i = 0; i < 3; ++i) {
    const size_t from = traits_of(result.family).caffe ? 2 - i : i;
    if (!std::isfinite(mean[from]) || !std::isfinite(deviation[from]) || deviation[from] <= 0) return false;
    result.mean[i] = std::round(mean[from] / 255 * 1e6) / 1e6;  // fp32 has no more digits
    result.deviation[i] = deviation[from] == 1 ? 1.0 / 255 : std::round(deviation[from] / 255 * 1e6) / 1e6;
  }
  return true;
}

// That nothing is missing or of another shape, and that the parts of the network have nothing besides, which would do
// something that Fovea does not.
void require_whole(const FamilyTensors& tensors, const Recognized& result) {
  const ModelConfig model = with_anchors(result.model, result.anchors_per_location);
  const ParameterStore store = parameters_of(model);
  std::vector<std::string> used;
  for (const Parameter& p : store.all()) {
    const std::string name = tensors.find(p.name, model);
    if (name.empty()) tensors.refuse_missing(tensors.wanted(p.name, model));
    const std::vector<int64_t> shape = torchvision_shape(p);
    if (tensors.at(name).shape != shape)
      tensors.refuse(name,
                     fmt::format("has shape {}, not {}, as a {} would have it: this is no RetinaNet that Fovea "
                                 "can build",
                                 Shape(tensors.at(name).shape).text(), Shape(shape).text(), network_words(model)));
    used.push_back(name);
  }
  std::sort(used.begin(), used.end());
  for (const auto& [name, in_file] : tensors.names()) {
    const bool counts = name.ends_with(names::kBatchCount), classifies = name.find(".fc.") != name.npos;
    const bool of_network = name.starts_with("backbone") || name.starts_with("head.") || name.starts_with("neck.") ||
                            name.starts_with("bbox_head.") || name.starts_with("cls_head.") ||
                            name.starts_with("box_head.");
    if (of_network && !counts && !classifies && !std::binary_search(used.begin(), used.end(), in_file))
      tensors.refuse(in_file, fmt::format("has no place in a {}: this is no RetinaNet that Fovea can build",
                                          network_words(model)));
  }
}

}  // namespace

std::optional<WeightFamily> family_of(const TensorFile& file, std::optional<WeightFamily> named) {
  const auto bare = bare_names(file);
  const auto has = [&](const char* name) { return bare.contains(name); };
  std::optional<WeightFamily> found;
  if (has("head.cls_score.bias")) found = WeightFamily::Detectron2;
  if (has("bbox_head.retina_cls.bias")) found = WeightFamily::MMDetection;
  if (has("cls_head.0.bias") && has("box_head.0.bias")) found = WeightFamily::Odtk;
  if (bare.contains(names::logits_bias())) {
    const bool of_2020 = std::any_of(bare.begin(), bare.end(), [](const auto& name) {
      return name.first.starts_with("backbone.fpn.inner_blocks.") && present_name(name.first) != name.first;
    });
    found = of_2020 ? WeightFamily::Torchvision2020 : WeightFamily::Torchvision;
  }
  if (!named) named = family_in_metadata(file);
  if (!named) return found;
  const auto same_names = [](WeightFamily a, WeightFamily b) {
    const ModelConfig any;
    return family_name(a, names::logits_bias(), any) == family_name(b, names::logits_bias(), any);
  };
  if (!found || !same_names(*named, *found))
    refuse_file(file, fmt::format("its tensors have not {}'s names{}", traits_of(*named).program,
                                  found ? fmt::format(", but {}'s", traits_of(*found).program) : ""));
  return named;
}

Recognized recognize(const TensorFile& file, std::optional<WeightFamily> named) {
  const auto family = family_of(file, named);
  if (!family) refuse_other(file);
  Recognized result;
  result.family = *family;
  const FamilyTensors tensors(file, *family);
  const bool told_mean = take_pixel_mean(file, tensors, named.has_value(), result);
  const auto mean = result.mean, deviation = result.deviation;
  assume_usual(result);
  ModelConfig& model = result.model;
  const TensorShapes shapes{
      .has = [&](const std::string& own) { return !tensors.find(own, model).empty(); },
      .of = [&](const std::string& own, size_t rank) { return tensors.shape(own, rank, model); },
      .refuse = [&](const std::string& own, const std::string& why) { tensors.refuse(tensors.find(own, model), why); }};
  recognize_backbone(shapes, model.backbone);
  assume_of_backbone(result);
  model.fpn.channels = shapes.of("backbone.fpn.inner_blocks.0.0.weight", 4)[0];
  recognize_pyramid(tensors, result, shapes.of("backbone.fpn.inner_blocks.2.0.weight", 4)[1]);
  recognize_heads(tensors, result);
  require_whole(tensors, result);
  if (told_mean) {
    result.mean = mean;
    result.deviation = deviation;
    model.backbone.stride_in_1x1 = model.backbone.stride_in_1x1 && deviation[0] == 1.0 / 255;
  } else {
    result.assumed.insert(result.assumed.end(), {"input.mean", "input.std"});
  }
  if (!is_detectron2(result.family) || !take_cell_anchors(file, tensors.names(), result.anchors_per_location, model))
    assume_anchors(result);
  return result;
}

std::string network_words(const ModelConfig& config) {
  const BackboneConfig& b = config.backbone;
  std::string words = backbone_name(b);
  if (!b.layers.empty())
    words += fmt::format(" with {} {}", fmt::join(b.layers, "+"), is_residual(b.kind) ? "blocks" : "convolutions");
  if (b.width_divisor > 1) words += fmt::format(", widths divided by {}", b.width_divisor);
  const auto several = [](int count, const char* one, const char* more) { return count == 1 ? one : more; };
  const int convolutions = config.head.convolutions, anchors = config.anchors.per_location();
  return fmt::format(
      "{}, P6 from {}, heads of {} {}{}, {} {} a location, {} {}", words, config.fpn.p6_from_c5 ? "C5" : "P5",
      convolutions, several(convolutions, "convolution", "convolutions"),
      config.head.norm == Norm::Group ? " with group norm" : "", anchors, several(anchors, "anchor", "anchors"),
      config.classes, several(config.classes, "class", "classes"));
}

}  // namespace fovea
