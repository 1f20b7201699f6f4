// Average precision as Pascal VOC defines it (Everingham et al. 2010), by its development kit's rules: each detection
// belongs to the object of its class that it overlaps most; the first one there is right, later ones are wrong; those
// of difficult objects (crowds here) do not count. Boxes are continuous: the kit's "+ 1" pixel is left out.
#pragma once
#include <span>
#include <vector>

#include "tools/data/dataset.h"
#include "tools/eval/boxes.h"

namespace fovea {

struct VocAp {
  double eleven_points;  // VOC 2007: the mean of the precisions at the recalls 0, 0.1, … 1; or no_ground_truth
  double area;           // VOC 2010 and later: the area under the interpolated curve; or no_ground_truth
};

struct VocMetrics {
  double iou;
  VocAp mean;  // over the classes with ground truth
  std::vector<VocAp> classes;
};

VocMetrics voc_metrics(std::span<const Category> categories, std::span<const GroundTruth> objects,
                       std::span<const Detection> detections, double iou = 0.5);

}  // namespace fovea
