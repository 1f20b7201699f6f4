// The images of an evaluation one by one, all classes together, judged at one IoU threshold as COCO judges (all sizes):
// what the reports of what to improve start from. An object of id 0 is one like any other here.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "tools/eval/boxes.h"
#include "tools/eval/truth_set.h"

namespace fovea {

enum class Verdict : uint8_t { Right, Wrong, Ignored };

struct ImageBoxes {
  const TruthImage* image = nullptr;
  std::vector<const GroundTruth*> objects;
  std::vector<int> object_labels;
  std::vector<int> found_by;  // the right detection of each object; -1: none

  std::vector<const Detection*> detections;  // best first, at most `limit` of each class
  std::vector<int> detection_labels;
  std::vector<Verdict> verdicts;

  // The object that most overlaps detection d, by plain IoU, among those for which `use(object)`; the first of equal
  // ones. {-1, 0} where none overlaps.
  struct Nearest {
    int object = -1;
    double iou = 0;
  };
  template <class Use>
  Nearest nearest(size_t d, Use&& use) const {
    Nearest best;
    for (size_t g = 0; g < objects.size(); ++g) {
      if (!use(g)) continue;
      const double overlap = plain_iou(*detections[d], *objects[g]);
      if (overlap > best.iou) best = {static_cast<int>(g), overlap};
    }
    return best;
  }
};

// Sorted by image id. `truth` and `detections` outlive the result.
std::vector<ImageBoxes> judge_images(const TruthSet& truth, std::span<const Detection> detections, double threshold,
                                     int limit);

}  // namespace fovea
