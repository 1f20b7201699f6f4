// The training loop: steps, logs, checkpoints, validations, and a clean end whatever ends it.
#pragma once
#include <atomic>
#include <filesystem>
#include <optional>

#include "tools/config/config.h"
#include "tools/data/bad_files.h"
#include "tools/data/dataset.h"

namespace fovea {

struct TrainOptions {
  std::filesystem::path data, out;
  std::filesystem::path val;  // a set of its own for validation, and `data` for training alone; empty: splits of data
  std::filesystem::path images;  // of both sets; empty: beside the annotations
  bool merge_classes = false;
  bool resume = false;
  std::filesystem::path init_from;   // weights only; empty: from the initial ones
  bool allow_config_change = false;  // resume although the configuration differs from the checkpoint's
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

// Set by SIGINT and SIGTERM: the step under way is finished, a checkpoint saved, and Error(Interrupted) thrown.
extern std::atomic<bool> stop_requested;
void catch_stop_signals();

// Trains as the configuration says; model.classes follows from the data. Where a launcher started this process as one
// of several ranks, together with them: only rank 0 writes and prints.
void train(Config config, const TrainOptions& options);

}  // namespace fovea
