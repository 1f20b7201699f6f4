// One training step.
#pragma once
#include "engine/optimizer.h"
#include "model/retinanet.h"
#include "tools/data/batch.h"

namespace fovea {

struct StepResult {
  double classification = 0, box = 0;
  int64_t positives = 0;
  double gradient_norm = 0;
  bool skipped = false;  // a gradient was not finite: nothing was changed
  double loss() const { return classification + box; }
};

StepResult train_step(RetinaNet& model, Optimizer& optimizer, const DeviceBatch& batch, double learning_rate);

// What the user needs to see when a step was not finite: image ids, learning rate, and the losses and outputs of each
// level.
std::string diagnosis(RetinaNet& model, const DeviceBatch& batch, const StepResult& result, double learning_rate);

}  // namespace fovea
