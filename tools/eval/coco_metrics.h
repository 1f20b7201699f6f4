// COCO's twelve bounding-box metrics and the AP of each class, equal to pycocotools to the last digit.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tools/data/coco.h"

namespace fovea {

struct Detection {
  int64_t image_id, category_id;
  double x, y, w, h, score;
};

struct GroundTruth {
  int64_t image_id, category_id;
  double x, y, w, h;
  double area;  // decides between small, medium and large
  bool crowd;   // detections on it are neither right nor wrong
  int64_t id;   // an object of id 0 counts as never found, as in pycocotools
};

// Values are shares, 0…1, or no_ground_truth.
constexpr double no_ground_truth = -1;

struct ClassAp {
  int64_t category_id;
  std::string name;
  int64_t objects;  // without crowds
  double ap, ap50, ap75, ap_small, ap_medium, ap_large, ar100;
};

// The order in which COCO lists them.
enum CocoValue { Ap, Ap50, Ap75, ApSmall, ApMedium, ApLarge, Ar1, Ar10, Ar100, ArSmall, ArMedium, ArLarge };
constexpr std::array<const char*, 12> coco_value_names = {"AP",  "AP50", "AP75",  "APsmall", "APmedium", "APlarge",
                                                          "AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge"};

struct CocoMetrics {
  std::array<double, 12> values;
  std::vector<ClassAp> classes;  // in the order of the categories
};

std::vector<GroundTruth> ground_truth(const Dataset& dataset);

// Objects and detections of other categories than the given are left out; scores must not be NaN. Detections of images
// without objects count as wrong, so hand in only those of images that are evaluated. The same bits for any number of
// threads.
CocoMetrics coco_metrics(std::span<const Category> categories, std::span<const GroundTruth> objects,
                         std::span<const Detection> detections);

// Text tables for people, with "n/a (no ground truth)" where there is no value.
std::string table(const CocoMetrics& metrics);
std::string class_table(const CocoMetrics& metrics);

}  // namespace fovea
