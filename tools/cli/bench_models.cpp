#include "tools/cli/bench_models.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kernels/error.h"

namespace fovea {

namespace {

struct Model {
  const char* name;
  BackboneKind kind;
  int depth, group_width = 0;
  Norm norm = Norm::FrozenBatch;
};
constexpr Model kModels[] = {{"r18", BackboneKind::ResNet, 18},
                             {"r34", BackboneKind::ResNet, 34},
                             {"r50", BackboneKind::ResNet, 50},
                             {"r101", BackboneKind::ResNet, 101},
                             {"r152", BackboneKind::ResNet, 152},
                             {"wide50", BackboneKind::ResNet, 50, 128},
                             {"wide101", BackboneKind::ResNet, 101, 128},
                             {"resnext50", BackboneKind::ResNeXt, 50},
                             {"resnext101", BackboneKind::ResNeXt, 101},
                             {"vgg11", BackboneKind::Vgg, 11, 0, Norm::None},
                             {"vgg13", BackboneKind::Vgg, 13, 0, Norm::None},
                             {"vgg16", BackboneKind::Vgg, 16, 0, Norm::None},
                             {"vgg16_bn", BackboneKind::Vgg, 16},
                             {"vgg19", BackboneKind::Vgg, 19, 0, Norm::None},
                             {"inception", BackboneKind::Inception, 48}};

}  // namespace

std::vector<std::string> bench_models() {
  std::vector<std::string> names;
  for (const Model& model : kModels) names.emplace_back(model.name);
  return names;
}

BackboneConfig backbone_of_model(const std::string& name) {
  for (const Model& model : kModels)
    if (name == model.name)
      return {.kind = model.kind, .depth = model.depth, .group_width = model.group_width, .norm = model.norm};
  throw Error(ErrorKind::Usage, fmt::format("--model {}: must be one of {}", name, fmt::join(bench_models(), ", ")));
}

}  // namespace fovea
