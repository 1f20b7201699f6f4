// Whom a training tells how far it is. What is not as it should be goes to notice() (kernels/notice.h).
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tools/data/dataset.h"
#include "tools/eval/coco_metrics.h"
#include "tools/train/step.h"

namespace fovea {

// All of it is called in the training's thread, which waits. What an observer throws of ErrorKind::Interrupted, or
// Runtime (nobody can be told any more), stops the training as a request to stop does.
class TrainObserver {
 public:
  TrainObserver() = default;
  virtual ~TrainObserver() = default;
  TrainObserver(const TrainObserver&) = delete;
  TrainObserver& operator=(const TrainObserver&) = delete;

  // Whole lines: what is trained on what, and what came of it.
  virtual void say(const std::string& lines) = 0;

  // `done` of `total` steps are behind already. `batch`: images of a step.
  virtual void begin(int64_t done, int64_t total, int batch) = 0;
  struct Step {
    int64_t number;  // from 1
    double learning_rate;
    const StepResult& result;
    std::optional<double> seconds;  // none: not known
  };
  virtual void took_step(const Step& step) = 0;
  // Images of the validation set, of those that this rank takes.
  virtual void looked_at(int64_t images, int64_t total) = 0;
  virtual void validated(int64_t step, const CocoMetrics& metrics, const Dataset& val) = 0;
  // Nothing more comes, whatever ended it.
  virtual void end() = 0;
};

// Shows a progress bar on a terminal, plain lines elsewhere.
std::unique_ptr<TrainObserver> terminal_observer();

}  // namespace fovea
