#include "tools/eval/image_boxes.h"

#include <algorithm>
#include <unordered_map>

namespace fovea {
namespace {

// Best first, and no more than `limit` of each class.
void sort_and_cut(ImageBoxes& boxes, const std::unordered_map<int64_t, int>& label_of, int limit) {
  std::stable_sort(boxes.detections.begin(), boxes.detections.end(),
                   [](const Detection* a, const Detection* b) { return a->score > b->score; });
  std::unordered_map<int64_t, int> count;
  std::erase_if(boxes.detections, [&](const Detection* d) { return ++count[d->category_id] > limit; });
  for (const Detection* d : boxes.detections) boxes.detection_labels.push_back(label_of.at(d->category_id));
  for (const GroundTruth* g : boxes.objects) boxes.object_labels.push_back(label_of.at(g->category_id));
}

// The free object of the detection's class with the largest IoU at or above the threshold, the last of equal ones.
int match(const ImageBoxes& boxes, size_t d, bool crowd, double threshold) {
  int best = -1;
  for (size_t g = 0; g < boxes.objects.size(); ++g) {
    if (boxes.object_labels[g] != boxes.detection_labels[d] || boxes.objects[g]->crowd != crowd) continue;
    if (boxes.found_by[g] >= 0) continue;
    const double overlap = iou(*boxes.detections[d], *boxes.objects[g]);
    if (overlap < threshold) continue;
    threshold = overlap;
    best = static_cast<int>(g);
  }
  return best;
}

void judge(ImageBoxes& boxes, double threshold) {
  threshold = std::min(threshold, 1 - 1e-10);
  boxes.found_by.assign(boxes.objects.size(), -1);
  for (size_t d = 0; d < boxes.detections.size(); ++d) {
    const int object = match(boxes, d, false, threshold);
    if (object >= 0) boxes.found_by[object] = static_cast<int>(d);
    boxes.verdicts.push_back(object >= 0                             ? Verdict::Right
                             : match(boxes, d, true, threshold) >= 0 ? Verdict::Ignored
                                                                     : Verdict::Wrong);
  }
}

}  // namespace

std::vector<ImageBoxes> judge_images(const TruthSet& truth, std::span<const Detection> detections, double threshold,
                                     int limit) {
  std::vector<ImageBoxes> images(truth.images.size());
  for (size_t i = 0; i < images.size(); ++i) images[i].image = &truth.images[i];
  std::sort(images.begin(), images.end(), [](auto& a, auto& b) { return a.image->id < b.image->id; });
  std::unordered_map<int64_t, size_t> place;
  for (size_t i = 0; i < images.size(); ++i) place[images[i].image->id] = i;
  std::unordered_map<int64_t, int> label_of;
  for (size_t k = 0; k < truth.categories.size(); ++k) label_of[truth.categories[k].id] = static_cast<int>(k);
  for (const GroundTruth& object : truth.objects) images[place.at(object.image_id)].objects.push_back(&object);
  for (const Detection& found : detections) images[place.at(found.image_id)].detections.push_back(&found);
#pragma omp parallel for schedule(dynamic, 64)
  for (size_t i = 0; i < images.size(); ++i) {
    sort_and_cut(images[i], label_of, limit);
    judge(images[i], threshold);
  }
  return images;
}

}  // namespace fovea
