#include "model/backbone/kinds.h"

#include <fmt/format.h>

#include <algorithm>

namespace fovea {

std::span<const int> depths_of(BackboneKind kind) {
  static constexpr int resnet[] = {18, 34, 50, 101, 152}, resnext[] = {50, 101, 152}, vgg[] = {11, 13, 16, 19},
                       inception[] = {48};
  switch (kind) {
    case BackboneKind::ResNeXt:
      return resnext;
    case BackboneKind::Vgg:
      return vgg;
    case BackboneKind::Inception:
      return inception;
    case BackboneKind::ResNet:
      break;
  }
  return resnet;
}

int usual_depth(BackboneKind kind) {
  if (is_residual(kind)) return 50;
  return kind == BackboneKind::Vgg ? 16 : 48;
}

void change_kind(BackboneConfig& config, BackboneKind kind) {
  if (config.kind == kind) return;
  config.kind = kind;
  const auto depths = depths_of(kind);
  if (std::find(depths.begin(), depths.end(), config.depth) == depths.end()) config.depth = usual_depth(kind);
  if (config.layers.size() != stages_of(kind)) config.layers.clear();
  if (kind != BackboneKind::ResNeXt) config.groups = 0;
  if (is_residual(kind)) return;
  config.group_width = 0;
  config.stem_width = BackboneConfig{}.stem_width;
}

std::string backbone_name(const BackboneConfig& config) {
  switch (config.kind) {
    case BackboneKind::ResNeXt: {
      const ConvGroups groups = groups_of(config);
      return fmt::format("ResNeXt-{} {}x{}d", config.depth, groups.count, groups.width);
    }
    case BackboneKind::Vgg:
      return fmt::format("VGG-{}", config.depth);
    case BackboneKind::Inception:
      return "Inception v3";
    case BackboneKind::ResNet:
      break;
  }
  const int width = groups_of(config).width;
  return width == 64 ? fmt::format("ResNet-{}", config.depth)
                     : fmt::format("Wide ResNet-{}-{:g}", config.depth, width / 64.0);
}

ConvGroups groups_of(const BackboneConfig& config) {
  const bool next = config.kind == BackboneKind::ResNeXt;
  const int usual_width = !next ? 64 : config.depth == 50 ? 4 : 8;
  return {config.groups > 0 ? config.groups : next ? 32 : 1, config.group_width > 0 ? config.group_width : usual_width};
}

}  // namespace fovea
