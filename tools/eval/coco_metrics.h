// COCO's twelve bounding-box metrics, together and of each class, equal to pycocotools to the last digit.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tools/data/dataset.h"
#include "tools/eval/boxes.h"
#include "tools/eval/settings.h"

namespace fovea {

// Precision is taken at the recalls 0, 0.01, … 1.
constexpr int recall_steps = 101;
double recall_step(int r);

// Where COCO's own settings put each metric.
enum CocoValue { Ap, Ap50, Ap75, ApSmall, ApMedium, ApLarge, Ar1, Ar10, Ar100, ArSmall, ArMedium, ArLarge };

struct ClassMetrics {
  int64_t category_id;
  std::string name;
  int64_t objects;                // without crowds
  std::vector<double> values;     // as CocoMetrics::metrics; shares, 0…1, or no_ground_truth
  std::vector<double> precision;  // [IoU thresholds, recall_steps], of all areas; no_ground_truth where there is none
};

struct CocoMetrics {
  EvalSettings settings;
  std::vector<Metric> metrics;
  std::vector<double> values;         // of all classes, as `metrics`
  std::vector<ClassMetrics> classes;  // in the order of the categories
};

// Objects and detections of other categories than the given are left out; scores must not be NaN. Detections of images
// without objects count as wrong, so hand in only those of images that are evaluated. The same bits for any number of
// threads.
CocoMetrics coco_metrics(std::span<const Category> categories, std::span<const GroundTruth> objects,
                         std::span<const Detection> detections, const EvalSettings& settings = {});

// The mean of the precisions at the recall steps (COCO's AP at one IoU threshold). `counted[i]`: how many detections,
// right and wrong, there are down to the right one i.
double interpolated_precision(std::span<const int64_t> counted, int64_t objects);

}  // namespace fovea
