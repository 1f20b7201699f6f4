// Precision and recall by the protocol of pycocotools' COCOeval (iouType "bbox"), to the last bit.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "tools/eval/box_places.h"
#include "tools/eval/coco_image.h"

namespace fovea {

// What is evaluated.
struct CocoProtocol {
  std::vector<int64_t> images;  // in ascending order
  std::vector<int64_t> categories;
  std::vector<double> ious;     // in any order, as the recalls
  std::vector<double> recalls;  // at which precision is taken
  std::vector<AreaLimits> areas;
  std::vector<int64_t> limits;     // ascending: the best so many detections of a class in an image count
  bool one_class = false;          // all categories are one
  bool precision_of_last = false;  // precision and scores at the highest limit only
  bool with_scores = true;
  bool class_by_class = false;  // precision and scores lie [K, T, R, A, M]
};

// numpy's arrays of doubles: T IoU thresholds, R recalls, K classes, A areas, M limits.
struct CocoCurves {
  size_t t, r, k, a, m;
  size_t precision_m;                                 // m, or 1 with precision_of_last
  UntouchedVector<double> precision, recall, scores;  // [T, R, K, A, M], [T, K, A, M], as precision or empty
  std::vector<int64_t> objects;                       // [K, A], those that count
  bool class_by_class;

  // Where the precisions of a class, at a threshold and a recall step, are: [A, M].
  size_t at(size_t iou, size_t step, size_t label) const {
    const size_t row = iou * r + step;
    return (class_by_class ? label * t * r + row : row * k + label) * a * precision_m;
  }
  size_t precision_count() const { return t * r * k * a * precision_m; }
  size_t recall_count() const { return t * k * a * m; }
};

// Whose boxes are compared.
struct CocoPlaces {
  Places truth, detections;
};
CocoPlaces coco_places(const BoxTable& truth, const BoxTable& detections, const CocoProtocol& protocol, size_t workers);

// The same bits for any number of workers. Errors: as places_of().
CocoCurves coco_curves(const BoxTable& truth, const BoxTable& detections, const CocoPlaces& places,
                       const CocoProtocol& protocol, size_t workers);

// numpy.mean of those that are known, which are all that is left of `values`; no_ground_truth where none is.
double mean_of_known(std::vector<double>& values);
double pairwise_sum(const double* a, size_t n);

// Precision at its best from each right detection on. `counted[i]`: how many detections, right and wrong, there are
// down to the right one i.
void best_precisions(std::span<const uint32_t> counted, std::vector<double>& precisions);

// How many right detections of `objects` give each recall at least; 0 where none is needed, `most` + 1 where `most` are
// not enough.
std::vector<size_t> needed_for(std::span<const double> recalls, int64_t objects, size_t most);

}  // namespace fovea
