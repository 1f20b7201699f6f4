// The chart of a run, from its log: losses, and validation AP, over the steps.
#pragma once
#include "tools/train/run_folder.h"

namespace fovea {

// Writes chart.png and chart.svg into the folder.
void write_run_chart(const RunFolder& folder);

}  // namespace fovea
