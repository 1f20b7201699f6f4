// Metrics for people (tables) and for programs (JSON).
#pragma once
#include <optional>
#include <string>

#include "tools/eval/coco_metrics.h"
#include "tools/eval/voc_ap.h"

namespace fovea {

// A share with three digits, or "n/a (no ground truth)".
std::string value_text(double value);

// "n/a (no ground truth)" where there is no value.
std::string table(const CocoMetrics& metrics);
std::string class_table(const CocoMetrics& metrics, const std::optional<VocMetrics>& voc = {});

// {"stats": [pycocotools' numbers, -1 where there is no ground truth], "metrics": {"AP": …}, "settings": …,
//  "milliseconds_per_image": …, "per_class": [{"id": …, "name": …, "objects": …, "AP": …}], "voc": …}; but for "stats",
// null where there is no ground truth. The time, of detection, only where there is one.
std::string metrics_json(const CocoMetrics& metrics, const std::optional<VocMetrics>& voc = {},
                         std::optional<double> milliseconds = {});

}  // namespace fovea
