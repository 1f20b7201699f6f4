// What is taken for what, with each class's detections taken from its best score on.
#pragma once
#include <span>
#include <vector>

#include "tools/eval/image_boxes.h"
#include "tools/eval/operating_point.h"

namespace fovea {

// What became of one image's boxes.
struct ImageErrors {
  struct Pair {
    int object, detection;  // -1: a false detection, or a missed object
  };
  const ImageBoxes* boxes = nullptr;
  std::vector<Pair> pairs;
  int64_t errors = 0;  // pairs of two classes, false detections, missed objects
};

struct Confusion {
  size_t classes = 0;
  std::vector<int64_t> counts;      // [classes + 1, classes + 1]: annotated × detected; the last is background
  std::vector<ImageErrors> images;  // only those with errors

  int64_t at(size_t annotated, size_t detected) const { return counts[annotated * (classes + 1) + detected]; }
};

// Objects and detections of an IoU of at least `threshold` are paired, each once: first those of one class, of these
// the largest IoU first; then what is left. Detections of which at least half lies on a crowd are not false.
Confusion confuse(std::span<const ImageBoxes> images, const OperatingPoints& points, double threshold);

}  // namespace fovea
