#include "tools/eval/coco_image.h"

#include <algorithm>

#include "kernels/error.h"

namespace fovea {
namespace {

double covered_by_both(const Rectangle& a, const Rectangle& b) {
  const double w = std::min(a.w + a.x, b.w + b.x) - std::max(a.x, b.x);
  const double h = std::min(a.h + a.y, b.h + b.y) - std::max(a.y, b.y);
  return w <= 0 || h <= 0 ? 0 : w * h;
}

// Of a crowd, the share of the detection that lies on it.
double coco_iou(const Rectangle& found, const Rectangle& object, bool crowd) {
  const double both = covered_by_both(found, object);
  if (both == 0) return 0;
  return both / (crowd ? found.w * found.h : found.w * found.h + object.w * object.h - both);
}

}  // namespace

ImageMatcher::ImageMatcher(const BoxTable& truth, const BoxTable& detections, std::span<const double> thresholds,
                           size_t limit)
    : truth_(truth), detections_(detections), limit_(limit) {
  require(!thresholds.empty() && thresholds.size() <= most_thresholds,
          "the number of thresholds is not between 1 and 32");
  for (const double threshold : thresholds) thresholds_.push_back(std::min(threshold, 1 - 1e-10));
  lowest_ = *std::min_element(thresholds_.begin(), thresholds_.end());
  every_bit_ = thresholds.size() == most_thresholds ? UINT32_MAX : (uint32_t{1} << thresholds.size()) - 1;
}

void ImageMatcher::load(std::span<const Place> objects, std::span<const Place> detections) {
  wanted_.clear();
  for (const auto& [image, at, score, area] : objects) {
    wanted_.push_back({truth_.boxes[at], area, truth_.ids ? truth_.ids[at] : at + int64_t{1}, at,
                       truth_.crowds && truth_.crowds[at] != 0});
  }
  found_.clear();
  for (const auto& [image, at, score, area] : detections)
    found_.push_back({objects.empty() ? Rectangle{} : detections_.boxes[at], score, area, at, 0, 0});
  sort_best_first(found_.data(), found_.data() + found_.size());
  if (found_.size() > limit_) found_.resize(limit_);
  candidates_.clear();
  if (wanted_.empty()) return;
  for (Found& found : found_) find_candidates(found);
}

void ImageMatcher::find_candidates(Found& found) {
  found.first = static_cast<uint32_t>(candidates_.size());
  for (uint32_t g = 0; g < wanted_.size(); ++g) {
    const double overlap = coco_iou(found.box, wanted_[g].box, wanted_[g].crowd);
    if (overlap < lowest_) continue;
    uint32_t bits = 0;
    for (size_t t = 0; t < thresholds_.size(); ++t) bits |= uint32_t{overlap >= thresholds_[t]} << t;
    candidates_.push_back({g, bits, overlap});
    for (size_t c = candidates_.size() - 1; c > found.first && overlap >= candidates_[c - 1].overlap; --c)
      std::swap(candidates_[c], candidates_[c - 1]);
  }
  found.last = static_cast<uint32_t>(candidates_.size());
}

}  // namespace fovea
