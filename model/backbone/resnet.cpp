#include "model/backbone/resnet.h"

#include <fmt/format.h>

#include "model/names.h"

namespace fovea {

namespace {

struct Depth {
  int depth;
  bool bottleneck;
  std::array<int, 4> layers;
};
constexpr Depth kDepths[] = {{18, false, {2, 2, 2, 2}},
                             {34, false, {3, 4, 6, 3}},
                             {50, true, {3, 4, 6, 3}},
                             {101, true, {3, 4, 23, 3}},
                             {152, true, {3, 8, 36, 3}}};

constexpr std::array<const char*, 4> kStageNames = {"backbone.body.layer1.", "backbone.body.layer2.",
                                                    "backbone.body.layer3.", "backbone.body.layer4."};

const Depth& find_depth(int depth) {
  for (const Depth& known : kDepths)
    if (known.depth == depth) return known;
  throw Error(ErrorKind::Usage, fmt::format("model.backbone.depth = {}: must be 18, 34, 50, 101 or 152", depth));
}

ConvLayerConfig conv_config(const BackboneConfig& backbone, const std::string& name, const std::string& norm_name,
                            int in_channels, int out_channels, int kernel, int stride, bool trainable, int groups = 1) {
  return {.name = name,
          .norm_name = norm_name,
          .in_channels = in_channels,
          .out_channels = out_channels,
          .kernel = kernel,
          .stride = stride,
          .pad = kernel / 2,
          .groups = groups,
          .norm = backbone.norm,
          .norm_groups = backbone.norm_groups,
          .trainable = trainable};
}

}  // namespace

ResidualBlock::ResidualBlock(ParameterStore& store, const BackboneConfig& config, const std::string& name,
                             const Shape& shape, bool trainable) {
  struct Step {
    int kernel, out_channels, stride, groups;
  };
  const std::vector<Step> steps =
      shape.bottleneck ? std::vector<Step>{{1, shape.inner, 1, 1},
                                           {3, shape.inner, shape.stride, groups_of(config).count},
                                           {1, shape.out_channels, 1, 1}}
                       : std::vector<Step>{{3, shape.inner, shape.stride, 1}, {3, shape.out_channels, 1, 1}};
  int channels = shape.in_channels;
  for (size_t i = 0; i < steps.size(); ++i) {
    branch_.emplace_back(
        store, conv_config(config, fmt::format("{}.conv{}", name, i + 1), fmt::format("{}.bn{}", name, i + 1), channels,
                           steps[i].out_channels, steps[i].kernel, steps[i].stride, trainable, steps[i].groups));
    channels = steps[i].out_channels;
  }
  if (shape.stride != 1 || shape.in_channels != shape.out_channels)
    shortcut_ = std::make_unique<ConvLayer>(
        store, conv_config(config, name + ".downsample.0", name + ".downsample.1", shape.in_channels,
                           shape.out_channels, 1, shape.stride, trainable));
}

Tensor ResidualBlock::forward(Tape& tape, const Tensor& x) {
  Tensor y = x;
  for (size_t i = 0; i + 1 < branch_.size(); ++i) y = branch_[i].forward(tape, y, /*relu=*/true);
  // After the branch's first convolution, which therefore is the last to write x's gradient and masks it on the way.
  const Tensor shortcut = shortcut_ ? shortcut_->forward(tape, x, /*relu=*/false) : x;
  return branch_.back().forward(tape, y, /*relu=*/true, shortcut);
}

ResNet::ResNet(ParameterStore& store, const BackboneConfig& config) {
  const Depth& depth = find_depth(config.depth);
  const std::vector<int> layers =
      config.layers.empty() ? std::vector<int>(depth.layers.begin(), depth.layers.end()) : config.layers;
  if (layers.size() != 4)
    throw Error(ErrorKind::Usage, "model.backbone.layers: must be four numbers, the blocks of each stage");
  const std::string body = names::kBackbone;
  stem_ = std::make_unique<ConvLayer>(
      store, conv_config(config, body + "conv1", body + "bn1", 3, config.stem_width, 7, 2, config.frozen_stages < 1));
  const ConvGroups groups = groups_of(config);
  int channels = config.stem_width;
  for (int stage = 0; stage < 4; ++stage) {
    const int width = (64 << stage) / config.width_divisor;
    const int inner = depth.bottleneck ? width * groups.width / 64 * groups.count : width;
    const int out_channels = depth.bottleneck ? 4 * width : width;
    auto& blocks = stages_.emplace_back();
    for (int i = 0; i < layers[stage]; ++i) {
      const int stride = stage > 0 && i == 0 ? 2 : 1;
      blocks.emplace_back(store, config, fmt::format("{}{}", kStageNames[stage], i),
                          ResidualBlock::Shape{depth.bottleneck, channels, inner, out_channels, stride},
                          config.frozen_stages < stage + 2);
      channels = out_channels;
    }
    if (stage > 0) channels_[stage - 1] = channels;
  }
}

Features ResNet::forward(Tape& tape, const Tensor& images) {
  Tensor x = ops::max_pool(tape, stem_->forward(tape, images, /*relu=*/true), ops::kPaddedPool);
  std::array<Tensor, 4> c;
  for (size_t stage = 0; stage < 4; ++stage) {
    tape.mark(kStageNames[stage]);
    for (ResidualBlock& block : stages_[stage]) x = block.forward(tape, x);
    c[stage] = x;
  }
  return {c[1], c[2], c[3]};
}

}  // namespace fovea
