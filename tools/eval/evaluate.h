// The network over a dataset: its detections, and COCO's metrics of them.
#pragma once
#include <functional>
#include <vector>

#include "model/retinanet.h"
#include "tools/config/config.h"
#include "tools/data/bad_files.h"
#include "tools/data/dataset.h"
#include "tools/data/loading/loader.h"
#include "tools/eval/coco_metrics.h"

namespace fovea {

struct DatasetPass {
  int batch = 0;                                 // images at once; 0: what suits the device
  std::function<void(size_t, size_t)> progress;  // (done, total) after each image
  std::function<bool()> interrupted;             // asked before each image: ends it early
  DataShare share;                               // of the images, that this rank takes
};

// `categories[label]` is what the network calls label. Detections in COCO's format, in pixels of the original images,
// in the dataset's order.
std::vector<Detection> detect_dataset(RetinaNet& model, const Dataset& dataset, const std::vector<Category>& categories,
                                      const InputConfig& input, BadFiles& bad_files, const DatasetPass& pass = {});

// The dataset's metrics of these detections.
CocoMetrics evaluate(const Dataset& dataset, const std::vector<Detection>& detections);

}  // namespace fovea
