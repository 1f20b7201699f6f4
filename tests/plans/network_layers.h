// The convolutions of a network, for tests of their plans.
#pragma once
#include <vector>

#include "model/retinanet.h"

namespace fovea::test {

// Of a training step's forward pass at a size, one image. Recording runs no arithmetic.
inline std::vector<ConvTrace> layers_at(RetinaNet& model, Context& context, LevelSize size) {
  std::vector<ConvTrace> layers;
  context.trace = &layers;
  context.queue.record([&] {
    Tape tape(context, /*training=*/true);
    model.forward(tape, context.empty({1, size.height, size.width, 3}, DType::F32));
  });
  context.trace = nullptr;
  return layers;
}

inline ModelConfig network(int depth, Norm norm = Norm::FrozenBatch, Norm head_norm = Norm::None, int classes = 80) {
  ModelConfig config;
  config.backbone.depth = depth;
  config.backbone.norm = norm;
  config.head.norm = head_norm;
  config.classes = classes;
  return config;
}

}  // namespace fovea::test
