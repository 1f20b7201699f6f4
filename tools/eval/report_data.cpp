#include "tools/eval/report_data.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace fovea {
namespace {

constexpr size_t worst_count = 20;

std::vector<SizeBin> size_bins(std::span<const ImageBoxes> images, const OperatingPoints& points) {
  std::vector<SizeBin> bins = {{0, 8}};
  for (double low = 8; low < 1024; low *= 2) bins.push_back({low, 2 * low});
  bins.push_back({1024, std::numeric_limits<double>::infinity()});
  for (const ImageBoxes& boxes : images) {
    for (size_t g = 0; g < boxes.objects.size(); ++g) {
      if (boxes.objects[g]->crowd) continue;
      const double side = std::sqrt(std::max(0.0, boxes.objects[g]->area));
      SizeBin& bin = *std::find_if(bins.begin(), bins.end() - 1, [&](const SizeBin& b) { return side < b.high; });
      ++bin.objects;
      const int found = boxes.found_by[g];
      bin.found += found >= 0;
      bin.found_taken += found >= 0 && boxes.detections[found]->score >= points.score_of(boxes.object_labels[g]);
    }
  }
  std::erase_if(bins, [](const SizeBin& bin) { return bin.objects == 0; });
  return bins;
}

std::vector<ImageErrors> worst_of(const Confusion& confusion) {
  std::vector<ImageErrors> worst(std::min(worst_count, confusion.images.size()));
  std::partial_sort_copy(confusion.images.begin(), confusion.images.end(), worst.begin(), worst.end(),
                         [](const ImageErrors& a, const ImageErrors& b) {
                           return a.errors != b.errors ? a.errors > b.errors : a.boxes->image->id < b.boxes->image->id;
                         });
  return worst;
}

}  // namespace

ReportData::ReportData(const TruthSet& truth_set, std::span<const Detection> all, const CocoMetrics& coco)
    : truth(truth_set),
      metrics(coco),
      detections(all.size()),
      images(judge_images(truth, all, iou, coco.settings.limits.back())),
      errors(split_errors(images, truth.categories.size(), iou)),
      points(best_operating_points(images, truth.categories.size())),
      confusion(confuse(images, points, iou)),
      sizes(size_bins(images, points)),
      worst(worst_of(confusion)) {}

}  // namespace fovea
