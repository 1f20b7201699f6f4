// What a training says before it starts: the data and what was wrong with it, the network, the arithmetic of the
// schedule.
#pragma once
#include <array>
#include <string>

#include "engine/schedule.h"
#include "model/retinanet.h"
#include "tools/config/config.h"
#include "tools/data/dataset.h"
#include "tools/eval/coco_metrics.h"

namespace fovea {

// "step 100: AP 0.512  AP50 0.800  AP75 0.611 on 24 validation images", and the line of log.jsonl.
std::string ap_text(int64_t step, const CocoMetrics& metrics, const Dataset& val);
std::string ap_line(int64_t step, const CocoMetrics& metrics);

// Lines. data: train, val. `schedule`: as it is used, scaled to the batch.
std::string training_summary(const Config& config, const Schedule& schedule, RetinaNet& model,
                             const std::array<const Dataset*, 2>& data, int ranks);

}  // namespace fovea
