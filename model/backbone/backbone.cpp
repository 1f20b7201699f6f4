#include "model/backbone/backbone.h"

#include "model/backbone/resnet.h"

namespace fovea {

std::unique_ptr<Backbone> make_backbone(ParameterStore& store, const BackboneConfig& config) {
  return std::make_unique<ResNet>(store, config);
}

}  // namespace fovea
