// All that the report of an evaluation speaks of.
#pragma once
#include <vector>

#include "tools/eval/coco_metrics.h"
#include "tools/eval/confusion.h"
#include "tools/eval/error_split.h"
#include "tools/eval/image_boxes.h"
#include "tools/eval/operating_point.h"
#include "tools/eval/truth_set.h"

namespace fovea {

// How many objects of a size there are, and how many of them are found.
struct SizeBin {
  double low, high;         // pixels: the root of the object's area
  int64_t objects = 0;      // without crowds
  int64_t found = 0;        // by any detection
  int64_t found_taken = 0;  // by one of its class's best score or a higher one
};

struct ReportData {
  static constexpr double iou = 0.5;  // of a right detection, for all but the metrics

  ReportData(const TruthSet& truth, std::span<const Detection> detections, const CocoMetrics& metrics);

  const TruthSet& truth;
  const CocoMetrics& metrics;
  size_t detections;
  std::vector<ImageBoxes> images;
  ErrorSplit errors;
  OperatingPoints points;
  Confusion confusion;
  std::vector<SizeBin> sizes;      // those with objects
  std::vector<ImageErrors> worst;  // at most twenty images, most errors first
};

}  // namespace fovea
