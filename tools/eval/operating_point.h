// The score from which on a class's detections are best taken.
#pragma once
#include <span>
#include <vector>

#include "tools/eval/image_boxes.h"

namespace fovea {

struct OperatingPoint {
  bool known = false;  // false: no ground truth, or nothing found
  double score = 0;    // detections of this score or a higher one are taken
  double precision = 0, recall = 0, f1 = 0;
};

struct OperatingPoints {
  OperatingPoint overall;               // one score for all classes
  std::vector<OperatingPoint> classes;  // each with the best F1 = 2 · precision · recall / (precision + recall)

  // What a class is judged by: its own score, or the overall one where it has none.
  double score_of(int label) const { return classes[label].known ? classes[label].score : overall.score; }
};

OperatingPoints best_operating_points(std::span<const ImageBoxes> images, size_t classes);

}  // namespace fovea
