#include "tools/train/observer.h"

#include <fmt/format.h>

#include "tools/report/progress.h"
#include "tools/train/summary.h"

namespace fovea {

namespace {

class TerminalObserver : public TrainObserver {
 public:
  void say(const std::string& lines) override { fmt::print("{}", lines); }

  void begin(int64_t done, int64_t total, int batch) override {
    steps_ = std::make_unique<Progress>(total, done);
    batch_ = batch;
  }
  void took_step(const Step& step) override { steps_->update(step.number, step.result.loss(), batch_, step.seconds); }

  void looked_at(int64_t images, int64_t total) override {
    if (!images_)
      images_ = std::make_unique<Progress>(total, 0, ProgressOptions{.lines = false, .unit = "validation image"});
    images_->update(images, {}, 1);
  }
  void validated(int64_t step, const CocoMetrics& metrics, const Dataset& val) override {
    clear_images();
    steps_->message(ap_text(step, metrics, val));
  }

  void end() override {
    clear_images();
    if (steps_) steps_->finish();
  }

 private:
  void clear_images() {
    if (images_) images_->clear();
    images_.reset();
  }

  std::unique_ptr<Progress> steps_, images_;  // of the validation under way
  int batch_ = 0;
};

}  // namespace

std::unique_ptr<TrainObserver> terminal_observer() { return std::make_unique<TerminalObserver>(); }

}  // namespace fovea
