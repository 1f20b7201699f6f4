// Detections as COCO's results list, and metrics as JSON.
#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "tools/data/coco.h"
#include "tools/eval/coco_metrics.h"

namespace fovea {

// Throws ErrorKind::Data, naming the entry, when the file is missing or malformed, an image or category is none of the
// data set's, a score is no finite number, or a box is not four finite numbers of which the size is not negative.
std::vector<Detection> read_coco_results(const std::filesystem::path& path, const Dataset& dataset);

// One entry a line; numbers with the digits that read back the same. Throws ErrorKind::Runtime when it cannot be
// written.
void write_coco_results(const std::filesystem::path& path, std::span<const Detection> detections);

// {"metrics": {"AP": …}, "classes": [{"id": …, "name": …, "objects": …, "AP": …}]}, null where there is no ground
// truth.
std::string metrics_json(const CocoMetrics& metrics);

}  // namespace fovea
