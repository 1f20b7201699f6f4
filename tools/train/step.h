// One training step.
#pragma once
#include "engine/optimizer.h"
#include "model/retinanet.h"
#include "tools/data/batch.h"

namespace fovea {

struct StepResult {
  double classification = 0, box = 0;  // as all that follows, of all ranks together
  int64_t positives = 0;
  double gradient_norm = 0;
  bool skipped = false;  // a gradient was not finite: nothing was changed
  double loss() const { return classification + box; }
};

// `batch`: this rank's images; every rank of the model's context takes the step at once.
StepResult train_step(RetinaNet& model, Optimizer& optimizer, const DeviceBatch& batch, double learning_rate);

// What the user needs to see when a step was not finite: image ids, learning rate, and the losses and outputs of each
// level.
std::string diagnosis(RetinaNet& model, const DeviceBatch& batch, const StepResult& result, double learning_rate);

}  // namespace fovea
