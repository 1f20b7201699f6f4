#include "model/recognize_backbone.h"

#include <fmt/format.h>

#include <numeric>

#include "model/backbone/kinds.h"
#include "model/backbone/resnet.h"
#include "model/backbone/vgg.h"
#include "model/names.h"

namespace fovea {
namespace {

constexpr int kMostBlocks = 1000;  // of a stage

std::string body(const std::string& name) { return names::kBackbone + name; }

// `norm`: a norm's name, where there may be one; `channels`: a number that those of all norms are multiples of.
void recognize_norm(const TensorShapes& shapes, const std::string& norm, int channels, BackboneConfig& config) {
  if (shapes.has(norm + ".running_mean")) {
    config.norm = shapes.has(norm + names::kBatchCount) ? Norm::Batch : Norm::FrozenBatch;
  } else {
    config.norm = shapes.has(norm + ".weight") ? Norm::Group : Norm::None;
    config.norm_groups = std::gcd(config.norm_groups, channels);
  }
}

// How often `part`, a number of the tensor's channels, is in `whole`; `what`: what they are where that is no whole
// number.
int ratio_of(const TensorShapes& shapes, const std::string& own, int whole, int part, const char* what) {
  if (part < 1 || whole < part || whole % part != 0)
    shapes.refuse(own, fmt::format("has {} channels, which are {}", part, what));
  return whole / part;
}

void recognize_resnet(const TensorShapes& shapes, BackboneConfig& config) {
  config.stem_width = shapes.of(body("conv1.weight"), 4)[0];
  std::vector<int> blocks;
  for (int stage = 1; stage <= 4; ++stage) {
    int count = 0;
    while (count < kMostBlocks && shapes.has(body(fmt::format("layer{}.{}.conv1.weight", stage, count)))) ++count;
    if (count == 0) shapes.of(body(fmt::format("layer{}.0.conv1.weight", stage)), 4);  // which is missing
    blocks.push_back(count);
  }
  const std::string first = body("layer1.0.conv1.weight"), last = body("layer1.0.conv3.weight");
  const bool bottleneck = shapes.has(last);
  const int inner = shapes.of(first, 4)[0];
  const char* widths = "no width of a ResNet's first stage";
  config.width_divisor = bottleneck ? ratio_of(shapes, last, 256, shapes.of(last, 4)[0], widths)
                                    : ratio_of(shapes, first, 64, inner, widths);
  if (64 % config.width_divisor != 0)
    shapes.refuse(bottleneck ? last : first, std::string("has channels that are ") + widths);
  config.depth = depth_of_blocks(bottleneck, blocks);
  if (config.depth == 0) {
    config.depth = bottleneck ? 50 : 18;
    config.layers = blocks;
  }
  if (bottleneck) {
    const std::string middle = body("layer1.0.conv2.weight");
    const int in_group = shapes.of(middle, 4)[1];
    const int groups = ratio_of(shapes, middle, inner, in_group, "no group's of the convolution before it");
    constexpr int kMostGroups = 1024, kWidest = 4096;  // as a configuration has them
    if (groups > kMostGroups || in_group > kWidest / config.width_divisor)
      shapes.refuse(middle, fmt::format("has {} groups of {} channels", groups, in_group));
    if (groups > 1) config.kind = BackboneKind::ResNeXt;
    config.group_width = in_group * config.width_divisor;
    config.groups = groups;
    BackboneConfig usual;
    usual.kind = config.kind;
    usual.depth = config.depth;
    if (config.groups == groups_of(usual).count) config.groups = 0;
    if (config.group_width == groups_of(usual).width) config.group_width = 0;
  }
  recognize_norm(shapes, body("bn1"), std::gcd(config.stem_width, 64 / config.width_divisor), config);
}

void recognize_vgg(const TensorShapes& shapes, BackboneConfig& config) {
  config.kind = BackboneKind::Vgg;
  const auto convolution = [&](int place) { return body(fmt::format("{}.weight", place)); };
  const int width = shapes.of(convolution(0), 4)[0];
  config.width_divisor = ratio_of(shapes, convolution(0), 64, width, "no width of a VGG's first stage");
  recognize_norm(shapes, body("1"), width, config);
  const int step = config.norm == Norm::None ? 2 : 3;  // a convolution, perhaps a norm, a ReLU
  std::vector<int> convolutions;
  int place = 0;
  for (size_t stage = 0; stage < stages_of(BackboneKind::Vgg); ++stage) {
    int count = 0;
    for (; count < kMostBlocks && shapes.has(convolution(place)); place += step) ++count;
    if (count == 0) shapes.of(convolution(place), 4);  // which is missing
    convolutions.push_back(count);
    ++place;  // the pooling
  }
  config.depth = depth_of_convolutions(convolutions);
  if (config.depth == 0) {
    config.depth = usual_depth(BackboneKind::Vgg);
    config.layers = convolutions;
  }
}

void recognize_inception(const TensorShapes& shapes, BackboneConfig& config) {
  config.kind = BackboneKind::Inception;
  config.depth = usual_depth(BackboneKind::Inception);
  const std::string first = body("Conv2d_1a_3x3.conv.weight");
  config.width_divisor = ratio_of(shapes, first, 32, shapes.of(first, 4)[0], "no width of an Inception's stem");
  if (16 % config.width_divisor != 0) shapes.refuse(first, "has channels that are no width of an Inception's stem");
  recognize_norm(shapes, body("Conv2d_1a_3x3.bn"), 16 / config.width_divisor, config);
}

}  // namespace

void recognize_backbone(const TensorShapes& shapes, BackboneConfig& config) {
  if (shapes.has(body("Conv2d_1a_3x3.conv.weight"))) return recognize_inception(shapes, config);
  if (shapes.has(body("0.weight"))) return recognize_vgg(shapes, config);
  recognize_resnet(shapes, config);
}

}  // namespace fovea
