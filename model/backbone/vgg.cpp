#include "model/backbone/vgg.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/names.h"

namespace fovea {

namespace {

constexpr size_t kStages = 5;
struct VggDepth {
  int depth;
  std::array<int, kStages> convolutions;
};
constexpr VggDepth kVggDepths[] = {
    {11, {1, 1, 2, 2, 2}}, {13, {2, 2, 2, 2, 2}}, {16, {2, 2, 3, 3, 3}}, {19, {2, 2, 4, 4, 4}}};

std::vector<int> convolutions_of(const BackboneConfig& config) {
  const auto* known = std::find_if(std::begin(kVggDepths), std::end(kVggDepths),
                                   [&](const VggDepth& depth) { return depth.depth == config.depth; });
  if (known == std::end(kVggDepths))
    throw Error(ErrorKind::Usage,
                fmt::format("model.backbone.depth = {}: of VGG it is 11, 13, 16 or 19", config.depth));
  if (config.layers.empty()) return {known->convolutions.begin(), known->convolutions.end()};
  if (config.layers.size() != kStages)
    throw Error(ErrorKind::Usage, "model.backbone.layers: of VGG it is five numbers, the convolutions of each stage");
  return config.layers;
}

}  // namespace

int depth_of_convolutions(const std::vector<int>& convolutions) {
  for (const VggDepth& known : kVggDepths)
    if (std::equal(known.convolutions.begin(), known.convolutions.end(), convolutions.begin(), convolutions.end()))
      return known.depth;
  return 0;
}

Vgg::Vgg(ParameterStore& store, const BackboneConfig& config) {
  const std::vector<int> convolutions = convolutions_of(config);
  const bool has_norm = config.norm != Norm::None;
  int channels = 3, place = 0;  // in torchvision's list of convolutions, norms, ReLUs and poolings, which are the names
  for (size_t s = 0; s < kStages; ++s) {
    const int width = std::min(64 << s, 512) / config.width_divisor;
    Stage& stage = stages_.emplace_back(Stage{fmt::format("{}{}.", names::kBackbone, place), {}});
    for (int i = 0; i < convolutions[s]; ++i) {
      stage.convolutions.emplace_back(store,
                                      ConvLayerConfig{.name = fmt::format("{}{}", names::kBackbone, place),
                                                      .norm_name = fmt::format("{}{}", names::kBackbone, place + 1),
                                                      .in_channels = channels,
                                                      .out_channels = width,
                                                      .bias = true,
                                                      .norm = config.norm,
                                                      .norm_groups = config.norm_groups,
                                                      .epsilon = norm_epsilon_of(config),
                                                      .trainable = config.frozen_stages < static_cast<int>(s) + 1});
      channels = width;
      place += has_norm ? 3 : 2;
    }
    ++place;  // the pooling
    if (s >= 2) channels_[s - 2] = channels;
  }
}

Features Vgg::forward(Tape& tape, const Tensor& images) {
  require_image_size(images, 1 << kStages, "VGG");
  Tensor x = images;
  std::array<Tensor, kStages> c;
  for (size_t s = 0; s < kStages; ++s) {
    if (s > 0) tape.mark(stages_[s].part.c_str());
    for (ConvLayer& convolution : stages_[s].convolutions) x = convolution.forward(tape, x, /*relu=*/true);
    c[s] = x = ops::max_pool(tape, x, ops::kHalving);
  }
  return {c[2], c[3], c[4]};
}

}  // namespace fovea
