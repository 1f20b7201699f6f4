#include "model/backbone/backbone.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/backbone/inception.h"
#include "model/backbone/resnet.h"
#include "model/backbone/vgg.h"

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
      const Groups groups = groups_of(config);
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

void require_image_size(const Tensor& images, int smallest, const char* name) {
  if (std::min(images.height(), images.width()) < smallest)
    throw Error(ErrorKind::Data, fmt::format("images of {}x{} pixels are too small for {}: it needs {} a side",
                                             images.width(), images.height(), name, smallest));
}

std::unique_ptr<Backbone> make_backbone(ParameterStore& store, const BackboneConfig& config) {
  switch (config.kind) {
    case BackboneKind::Vgg:
      return std::make_unique<Vgg>(store, config);
    case BackboneKind::Inception:
      return std::make_unique<Inception>(store, config);
    case BackboneKind::ResNet:
    case BackboneKind::ResNeXt:
      break;
  }
  return std::make_unique<ResNet>(store, config);
}

}  // namespace fovea
