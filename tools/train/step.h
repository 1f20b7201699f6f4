// Training steps: enqueued one after the other, nothing in them waits for the host; what came of a step is read while
// the next one runs.
#pragma once
#include <deque>
#include <memory>
#include <optional>

#include "engine/optimizer.h"
#include "engine/repeated_work.h"
#include "model/retinanet.h"
#include "tools/config/config.h"
#include "tools/data/loading/batch.h"
#include "tools/data/loading/pixels.h"

namespace fovea {

struct StepResult {
  double classification = 0, box = 0;  // as all that follows, of all ranks together
  int64_t positives = 0;
  double gradient_norm = 0;
  bool skipped = false;  // a gradient or a loss was not finite, or too many were before: nothing was changed
  double loss() const { return classification + box; }
};

// Enqueues forward, loss, backward and the optimizer's step. `batch`: this rank's images; all ranks of the model's
// context take the step together. `may_end`: a requested stop may end it (kernels/interrupt.h) before the optimizer's
// step; then only statistics of norms have changed.
Losses enqueue_step(RetinaNet& model, Optimizer& optimizer, const DeviceBatch& batch, bool may_end = false);

class TrainingSteps {
 public:
  // `record`: steps of a shape that comes again are recorded and replayed.
  TrainingSteps(RetinaNet& model, Optimizer& optimizer, const InputConfig& input, bool record);
  ~TrainingSteps();

  // `shape`: that the batch fits into. Where the caller is Interruptible, so is the step, as enqueue_step says.
  void enqueue(std::vector<LoadedImage> batch, const BatchShape& shape, double learning_rate);

  struct Finished {
    StepResult result;
    std::vector<LoadedImage> batch;
    double learning_rate;
  };
  // The oldest step that was not returned yet, if more than `running` are under way. Waits for it alone. At most two
  // are under way.
  std::optional<Finished> finished(size_t running);

 private:
  struct OfShape {
    BatchInput input;
    RepeatedWork work{};
    Losses losses{};
  };
  struct Report;  // what a step leaves for the host
  struct UnderWay {
    std::vector<LoadedImage> batch;
    double learning_rate;
    Report* report;
  };
  Report* read_back(const Losses& losses);

  RetinaNet& model_;
  Optimizer& optimizer_;
  InputConfig input_;
  bool record_;
  PixelStaging pixels_;
  RecentlyUsed<BatchShape, OfShape> shapes_;
  std::deque<UnderWay> under_way_;
  std::unique_ptr<Report> reports_[2];
  size_t enqueued_ = 0;
};

// What may keep steps finite, for a message.
std::string remedies(const Config& config);

// What the user needs to see when a step was not finite: image ids, learning rate, and the losses and outputs of each
// level.
std::string diagnosis(RetinaNet& model, const TrainingSteps::Finished& step, const InputConfig& input);

}  // namespace fovea
