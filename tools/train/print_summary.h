// What a training says before it starts: the data and what was wrong with it, the network, the arithmetic of the
// schedule.
#pragma once
#include <array>

#include "engine/schedule.h"
#include "model/retinanet.h"
#include "tools/config/config.h"
#include "tools/data/dataset.h"

namespace fovea {

// data: train, val. `schedule`: as it is used, scaled to the batch.
void print_summary(const Config& config, const Schedule& schedule, RetinaNet& model,
                   const std::array<const Dataset*, 2>& data, int ranks);

}  // namespace fovea
