#include "model/backbone/backbone.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/backbone/inception.h"
#include "model/backbone/resnet.h"
#include "model/backbone/vgg.h"

namespace fovea {

void require_image_size(const Tensor& images, int smallest, const char* name) {
  if (std::min(images.height(), images.width()) < smallest)
    throw Error(ErrorKind::Usage, fmt::format("images of {}x{} pixels are too small for {}: it needs {} a side",
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
