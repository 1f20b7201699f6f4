// Objects and detections as COCO's files give them, and how much they overlap.
#pragma once
#include <algorithm>
#include <cstdint>

#include "tools/text/untouched.h"

namespace fovea {

// Stands for a metric where there is no object of a class and size.
constexpr double no_ground_truth = -1;

struct Detection {
  int64_t image_id, category_id;
  double x, y, w, h, score;
};

using Detections = UntouchedVector<Detection>;

struct GroundTruth {
  int64_t image_id, category_id;
  double x, y, w, h;
  double area;  // decides between small, medium and large
  bool crowd;   // detections on it are neither right nor wrong
  int64_t id;   // an object of id 0 counts as never found, as in pycocotools
};

// What both boxes cover, in square pixels.
inline double intersection(const Detection& d, const GroundTruth& g) {
  const double w = std::min(d.w + d.x, g.w + g.x) - std::max(d.x, g.x);
  const double h = std::min(d.h + d.y, g.h + g.y) - std::max(d.y, g.y);
  return w <= 0 || h <= 0 ? 0 : w * h;
}

inline double plain_iou(const Detection& d, const GroundTruth& g) {
  const double both = intersection(d, g);
  return both == 0 ? 0 : both / (d.w * d.h + g.w * g.h - both);
}

// COCO's: of a crowd region, the share of the detection that lies on it.
inline double iou(const Detection& d, const GroundTruth& g) {
  if (!g.crowd) return plain_iou(d, g);
  const double both = intersection(d, g);
  return both == 0 ? 0 : both / (d.w * d.h);
}

}  // namespace fovea
