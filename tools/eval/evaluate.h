// The network over a data set: its detections, and COCO's metrics of them.
#pragma once
#include <functional>
#include <vector>

#include "model/retinanet.h"
#include "tools/config/config.h"
#include "tools/data/bad_files.h"
#include "tools/data/coco.h"
#include "tools/data/loader.h"
#include "tools/eval/coco_metrics.h"

namespace fovea {

// `categories[label]` is what the network calls label. `progress(done, total)` after each image. Detections in COCO's
// form, in pixels of the original images, in the data set's order. `interrupted`, asked between images, ends it early.
// `share`: of the images, that this rank takes.
std::vector<Detection> detect_dataset(RetinaNet& model, const Dataset& dataset, const std::vector<Category>& categories,
                                      const InputConfig& input, BadFiles& bad_files,
                                      const std::function<void(size_t, size_t)>& progress = {},
                                      const std::function<bool()>& interrupted = {}, DataShare share = {});

// The data set's metrics of these detections.
CocoMetrics evaluate(const Dataset& dataset, const std::vector<Detection>& detections);

}  // namespace fovea
