#include "tools/eval/voc_ap.h"

#include <algorithm>

#include "tools/eval/box_places.h"
#include "tools/text/tasks.h"

namespace fovea {
namespace {

struct Vote {
  double score;
  bool right;
};

struct Curve {
  std::vector<double> recall, precision;  // after each detection, best first
};

class VocMatcher {
 public:
  VocMatcher(std::span<const GroundTruth> objects, std::span<const Detection> detections, double threshold)
      : all_objects_(objects), all_detections_(detections), threshold_(threshold) {}

  void match(std::span<const Place> object_places, std::span<const Place> detection_places) {
    std::vector<const GroundTruth*> objects;
    for (const Place& place : object_places) objects.push_back(&all_objects_[place.at]);
    std::vector<const Detection*> detections;
    for (const Place& place : detection_places) detections.push_back(&all_detections_[place.at]);
    std::stable_sort(detections.begin(), detections.end(),
                     [](const Detection* a, const Detection* b) { return a->score > b->score; });
    for (const GroundTruth* object : objects) count_ += !object->crowd;
    std::vector<bool> found(objects.size());
    for (const Detection* detection : detections) {
      const int object = best_of(*detection, objects);
      if (object >= 0 && objects[object]->crowd) continue;
      const bool right = object >= 0 && !found[object];
      if (right) found[object] = true;
      votes_.push_back({detection->score, right});
    }
  }

  int64_t objects() const { return count_; }

  Curve curve() {
    std::stable_sort(votes_.begin(), votes_.end(), [](Vote a, Vote b) { return a.score > b.score; });
    Curve curve;
    double right = 0, all = 0;
    for (const Vote vote : votes_) {
      right += vote.right;
      ++all;
      curve.recall.push_back(right / static_cast<double>(count_));
      curve.precision.push_back(right / all);
    }
    return curve;
  }

 private:
  // The object of the largest IoU, if that reaches the threshold; -1 otherwise.
  int best_of(const Detection& detection, const std::vector<const GroundTruth*>& objects) const {
    double best = 0;
    int at = -1;
    for (size_t g = 0; g < objects.size(); ++g) {
      const double overlap = plain_iou(detection, *objects[g]);
      if (overlap > best) best = overlap, at = static_cast<int>(g);
    }
    return best >= threshold_ ? at : -1;
  }

  std::span<const GroundTruth> all_objects_;
  std::span<const Detection> all_detections_;
  double threshold_;
  int64_t count_ = 0;
  std::vector<Vote> votes_;
};

double eleven_points(const Curve& curve) {
  double sum = 0;
  for (int i = 0; i <= 10; ++i) {
    double best = 0;
    for (size_t d = 0; d < curve.recall.size(); ++d)
      if (curve.recall[d] >= i / 10.0) best = std::max(best, curve.precision[d]);
    sum += best;
  }
  return sum / 11;
}

double area_under(const Curve& curve) {
  double area = 0, best = 0;  // from the last detection up, so that `best` is that of this recall or a higher one
  for (size_t d = curve.recall.size(); d-- > 0;) {
    best = std::max(best, curve.precision[d]);
    area += (curve.recall[d] - (d > 0 ? curve.recall[d - 1] : 0)) * best;
  }
  return area;
}

}  // namespace

VocMetrics voc_metrics(std::span<const Category> categories, std::span<const GroundTruth> objects,
                       std::span<const Detection> detections, double iou) {
  const BoxTable truth = table_of(objects), found = table_of(detections);
  const IdIndex images(distinct_ids(truth.count, truth.images, found.count, found.images));
  std::vector<int64_t> ids;
  for (const Category& category : categories) ids.push_back(category.id);
  const Places wanted = places_of(truth, images, ids, usual_workers());
  const Places given = places_of(found, images, ids, usual_workers());
  VocMetrics metrics{iou, {no_ground_truth, no_ground_truth}, {}};
  metrics.classes.resize(categories.size());
#pragma omp parallel for schedule(dynamic)
  for (size_t k = 0; k < categories.size(); ++k) {
    VocMatcher matcher(objects, detections, iou);
    for_each_image(wanted.of(k), given.of(k), [&](auto g, auto d) { matcher.match(g, d); });
    metrics.classes[k] = {no_ground_truth, no_ground_truth};
    if (matcher.objects() == 0) continue;
    const Curve curve = matcher.curve();
    metrics.classes[k] = {eleven_points(curve), area_under(curve)};
  }
  VocAp sum{0, 0};
  double known = 0;
  for (const VocAp& ap : metrics.classes) {
    if (ap.area == no_ground_truth) continue;
    sum = {sum.eleven_points + ap.eleven_points, sum.area + ap.area};
    ++known;
  }
  if (known > 0) metrics.mean = {sum.eleven_points / known, sum.area / known};
  return metrics;
}

}  // namespace fovea
