// Networks that were not trained and find things of all scores: to be exported and compared. And the file that comes.
#pragma once
#include <cmath>
#include <fstream>

#include "model/names.h"
#include "tests/support/seeded.h"
#include "tests/support/weights_file.h"
#include "tools/export/onnx_proto.h"

namespace fovea::test {

// A narrow network of the kind.
inline Config narrow(BackboneKind kind, int depth) {
  Config config = preset("tiny");
  change_kind(config.model.backbone, kind);
  config.model.backbone.depth = depth;
  const bool residual = is_residual(kind);
  config.model.backbone.layers = residual ? std::vector<int>{1, 1, 1, 1} : std::vector<int>{};
  config.model.backbone.width_divisor = kind == BackboneKind::ResNeXt ? 4 : 8;
  config.model.backbone.norm = kind == BackboneKind::Vgg ? Norm::None : Norm::FrozenBatch;
  config.model.backbone.frozen_stages = 2;
  config.model.classes = 3;
  return config;
}

// Scales a head's last weights so that its outputs have this standard deviation for an image of noise: they depend on
// these weights linearly.
inline void spread(RetinaNet& model, const std::string& weight, const std::vector<Tensor>& levels, float deviation) {
  double sum = 0, squares = 0, count = 0;
  for (const Tensor& level : levels)
    for (const float value : level.to_host<float>()) {
      sum += value;
      squares += double{value} * value;
      ++count;
    }
  const double own = std::sqrt(squares / count - sum * sum / count / count);
  const Tensor& values = model.parameters().find(weight)->value;
  auto scaled = values.to_host<float>();
  for (float& value : scaled) value *= static_cast<float>(deviation / own);
  values.upload(scaled);
  model.parameters().touch();
}

// Writes such a network: classes 1 to 3, norms with values of their own. Returns the path.
inline std::string write_exportable(const std::filesystem::path& path, const Config& config) {
  Context context;
  RetinaNet model(context, config.model, 1);
  uint64_t seed = 0;
  for (Parameter& parameter : model.parameters().all()) {
    const bool variance = parameter.name.ends_with("running_var");
    if (parameter.role != ParameterRole::Statistic && parameter.role != ParameterRole::NormScale) continue;
    const bool mean = parameter.role == ParameterRole::Statistic && !variance;
    parameter.value.upload(seeded_uniform<float>(static_cast<size_t>(parameter.shape.count()), ++seed,
                                                 mean ? -0.2f : 0.6f, mean ? 0.2f : 1.4f));
  }
  model.parameters().touch();
  const Shape shape{1, 96, 128, 3};
  const Tensor image =
      Tensor::from(context.memory, shape, seeded_uniform<float>(static_cast<size_t>(shape.count()), 5, -2, 2));
  Tape tape(context, /*training=*/false);
  const Outputs outputs = model.forward(tape, image);
  spread(model, names::logits_weight(), outputs.logits, 2);
  spread(model, std::string(names::kBoxHead) + "." + names::kDeltas + ".weight", outputs.deltas, 0.3f);
  save_checkpoint(path, model, nullptr, config, {{1, "Platelets"}, {2, "RBC"}, {3, "WBC"}}, {});
  return path.string();
}

inline onnx::ModelProto read_onnx(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  onnx::ModelProto model;
  REQUIRE(model.ParseFromIstream(&file));
  return model;
}

}  // namespace fovea::test
