// The training loop: steps, logs, checkpoints, validations, and a clean end whatever ends it.
#pragma once
#include <filesystem>
#include <optional>
#include <utility>

#include "model/weight_family.h"
#include "model/weights.h"
#include "tools/config/config.h"
#include "tools/data/bad_files.h"
#include "tools/data/dataset.h"
#include "tools/train/observer.h"

namespace fovea {

struct TrainOptions {
  std::filesystem::path data, out;
  std::filesystem::path val;  // a set of its own for validation, and `data` for training alone; empty: splits of data
  std::filesystem::path images;  // of both sets; empty: beside the annotations
  bool merge_classes = false;
  bool resume = false;
  std::filesystem::path init_from;           // weights only; empty: from the initial ones
  std::string state_dict;                    // where in it, as of open_tensor_file()
  std::optional<WeightFamily> names;         // its program's, as of recognize()
  bool allow_config_change = false;          // resume although the configuration differs from the checkpoint's
  bool allow_data_change = false;            // … although the classes, images or boxes do
  NonFinite non_finite = NonFinite::Refuse;  // of weights and checkpoints
  OnBad bad_images = OnBad::Skip, bad_boxes = OnBad::Skip;
  std::optional<DatasetFormat> format;  // of the dataset; none: found out
  DeviceKind device = DeviceKind::Cpu;
  double rank_timeout = 300;  // seconds

  LoadOptions load_options() const {
    return {.bad_boxes = bad_boxes,
            .format = format,
            .images = images,
            .merge_classes = merge_classes,
            .whole = !val.empty()};
  }
};

// Trains as the configuration says; model.classes follows from the data. Where a launcher started this process as one
// of several ranks, together with them: only rank 0 writes and prints.
//
// Where a stop of this thread's work is requested (kernels/interrupt.h) the run is saved and Error(Interrupted) thrown.
// On the CPU the step under way is given up, however long it takes: what is saved is the state after the last whole
// one, so that a resumed run has the same bits. On a GPU it is finished.
void train(Config config, const TrainOptions& options, TrainObserver& observer);
inline void train(Config config, const TrainOptions& options) {
  train(std::move(config), options, *terminal_observer());
}

}  // namespace fovea
