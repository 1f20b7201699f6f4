// The convolutions of a network, for tests of their plans.
#pragma once
#include <vector>

#include "model/size2d.h"
#include "model/trace.h"

namespace fovea::test {

// Of a training step's forward pass at a size, one image.
inline std::vector<ConvTrace> layers_at(RetinaNet& model, Context& context, Size2d size) {
  return traced_layers(context, model, {1, size.height, size.width, 3}, /*training=*/true);
}

inline ModelConfig network(int depth, Norm norm = Norm::FrozenBatch, Norm head_norm = Norm::None, int classes = 80) {
  ModelConfig config;
  config.backbone.depth = depth;
  config.backbone.norm = norm;
  config.head.norm = head_norm;
  config.classes = classes;
  return config;
}

inline ModelConfig network(const BackboneConfig& backbone) {
  ModelConfig config;
  config.backbone = backbone;
  return config;
}

// One of each kind but ResNet: with convolutions in groups, with biases, and with unpadded and rectangular ones.
inline const std::vector<BackboneConfig>& other_backbones() {
  static const std::vector<BackboneConfig> all{{.kind = BackboneKind::ResNeXt, .depth = 50},
                                               {.kind = BackboneKind::Vgg, .depth = 16, .norm = Norm::None},
                                               {.kind = BackboneKind::Inception, .depth = 48}};
  return all;
}

}  // namespace fovea::test
