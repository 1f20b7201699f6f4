// The training loop: steps, logs, checkpoints, validations, and a clean end whatever ends it.
#pragma once
#include <filesystem>
#include <optional>

#include "tools/config/config.h"
#include "tools/data/bad_files.h"
#include "tools/data/dataset.h"

namespace fovea {

struct TrainOptions {
  std::filesystem::path data, out;
  bool resume = false;
  std::filesystem::path init_from;   // weights only; empty: from the initial ones
  bool allow_config_change = false;  // resume although the configuration differs from the checkpoint's
  OnBad bad_images = OnBad::Skip, bad_boxes = OnBad::Skip;
  std::optional<DatasetFormat> format;  // of the dataset; none: found out
  DeviceKind device = DeviceKind::Cpu;
  double rank_timeout = 300;  // seconds
};

// Trains as the configuration says; model.classes follows from the data. Where a launcher started this process as one
// of several ranks, together with them: only rank 0 writes and prints. Where a stop is requested (tools/text/stop.h),
// the step under way is finished, a checkpoint saved, and Error(Interrupted) thrown.
void train(Config config, const TrainOptions& options);

}  // namespace fovea
