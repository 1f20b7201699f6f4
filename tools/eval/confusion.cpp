#include "tools/eval/confusion.h"

#include <algorithm>

namespace fovea {
namespace {

struct Overlap {
  bool same_class;
  double iou;
  int object, detection;
};

bool on_crowd(const ImageBoxes& boxes, size_t d) {
  return std::any_of(boxes.objects.begin(), boxes.objects.end(),
                     [&](const GroundTruth* g) { return g->crowd && iou(*boxes.detections[d], *g) >= 0.5; });
}

std::vector<Overlap> overlaps(const ImageBoxes& boxes, const std::vector<bool>& taken, double threshold) {
  std::vector<Overlap> found;
  for (size_t d = 0; d < boxes.detections.size(); ++d) {
    for (size_t g = 0; taken[d] && g < boxes.objects.size(); ++g) {
      const double overlap = boxes.objects[g]->crowd ? 0 : plain_iou(*boxes.detections[d], *boxes.objects[g]);
      if (overlap >= threshold)
        found.push_back(
            {boxes.object_labels[g] == boxes.detection_labels[d], overlap, static_cast<int>(g), static_cast<int>(d)});
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const Overlap& a, const Overlap& b) {
    return a.same_class != b.same_class ? a.same_class : a.iou > b.iou;
  });
  return found;
}

ImageErrors pair_up(const ImageBoxes& boxes, const OperatingPoints& points, double threshold) {
  ImageErrors errors{.boxes = &boxes};
  std::vector<bool> taken(boxes.detections.size()), object_used(boxes.objects.size());
  for (size_t d = 0; d < taken.size(); ++d)
    taken[d] = boxes.detections[d]->score >= points.score_of(boxes.detection_labels[d]);
  std::vector<bool> free = taken;
  for (const Overlap& overlap : overlaps(boxes, taken, threshold)) {
    if (object_used[overlap.object] || !free[overlap.detection]) continue;
    object_used[overlap.object] = true;
    free[overlap.detection] = false;
    errors.pairs.push_back({overlap.object, overlap.detection});
    errors.errors += !overlap.same_class;
  }
  for (size_t g = 0; g < boxes.objects.size(); ++g)
    if (!object_used[g] && !boxes.objects[g]->crowd) errors.pairs.push_back({static_cast<int>(g), -1}), ++errors.errors;
  for (size_t d = 0; d < free.size(); ++d)
    if (free[d] && !on_crowd(boxes, d)) errors.pairs.push_back({-1, static_cast<int>(d)}), ++errors.errors;
  return errors;
}

}  // namespace

Confusion confuse(std::span<const ImageBoxes> images, const OperatingPoints& points, double threshold) {
  Confusion confusion{.classes = points.classes.size()};
  const size_t side = confusion.classes + 1;
  confusion.counts.resize(side * side);
  for (const ImageBoxes& boxes : images) {
    ImageErrors errors = pair_up(boxes, points, threshold);
    for (const auto [object, detection] : errors.pairs) {
      const size_t row = object < 0 ? confusion.classes : boxes.object_labels[object];
      const size_t column = detection < 0 ? confusion.classes : boxes.detection_labels[detection];
      ++confusion.counts[row * side + column];
    }
    if (errors.errors > 0) confusion.images.push_back(std::move(errors));
  }
  return confusion;
}

}  // namespace fovea
