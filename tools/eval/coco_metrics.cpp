// pycocotools' summarize, of all classes and of each; what it summarizes is in coco_curves.cpp.
#include "tools/eval/coco_metrics.h"

#include <algorithm>
#include <optional>

#include "tools/eval/coco_curves.h"
#include "tools/text/tasks.h"

namespace fovea {
namespace {

// The mean over IoU thresholds, recall steps and classes, in numpy's order of an array [T, R, K]. `label`: of this
// class alone, or of all.
double mean_precision(const CocoCurves& curves, const Metric& metric, std::optional<size_t> label) {
  const size_t first = metric.iou < 0 ? 0 : static_cast<size_t>(metric.iou),
               last = metric.iou < 0 ? curves.t : first + 1;
  std::vector<double> values;
  values.reserve((last - first) * curves.r * (label ? 1 : curves.k));
  for (size_t t = first; t < last; ++t)
    for (size_t r = 0; r < curves.r; ++r)
      for (size_t k = label.value_or(0); k < (label ? *label + 1 : curves.k); ++k)
        values.push_back(curves.precision[curves.at(t, r, k) + static_cast<size_t>(metric.area)]);
  return mean_of_known(values);
}

double mean_recall(const CocoCurves& curves, const EvalSettings& settings, const Metric& metric,
                   std::optional<size_t> label) {
  const auto limit = static_cast<size_t>(std::find(settings.limits.begin(), settings.limits.end(), metric.limit) -
                                         settings.limits.begin());
  std::vector<double> values;
  for (size_t t = 0; t < curves.t; ++t)
    for (size_t k = label.value_or(0); k < (label ? *label + 1 : curves.k); ++k)
      values.push_back(
          curves.recall[((t * curves.k + k) * curves.a + static_cast<size_t>(metric.area)) * curves.m + limit]);
  return mean_of_known(values);
}

std::vector<double> summarize(const CocoCurves& curves, const EvalSettings& settings,
                              const std::vector<Metric>& metrics, std::optional<size_t> label = std::nullopt) {
  std::vector<double> values;
  for (const Metric& metric : metrics)
    values.push_back(metric.recall ? mean_recall(curves, settings, metric, label)
                                   : mean_precision(curves, metric, label));
  return values;
}

std::vector<double> recall_list() {
  std::vector<double> recalls;
  for (int r = 0; r < recall_steps; ++r) recalls.push_back(recall_step(r));
  return recalls;
}

CocoProtocol protocol_of(std::span<const Category> categories, const BoxTable& truth, const BoxTable& detections,
                         const EvalSettings& settings) {
  CocoProtocol protocol{.images = distinct_ids(truth.count, truth.images, detections.count, detections.images),
                        .categories = {},
                        .ious = settings.ious,
                        .recalls = recall_list(),
                        .areas = {},
                        .limits = {settings.limits.begin(), settings.limits.end()},
                        .precision_of_last = true,
                        .with_scores = false,
                        .class_by_class = true};
  for (const Category& category : categories) protocol.categories.push_back(category.id);
  for (const AreaRange& range : settings.areas) protocol.areas.push_back({range.low, range.high});
  return protocol;
}

}  // namespace

double recall_step(int r) { return r == recall_steps - 1 ? 1 : r * (1.0 / (recall_steps - 1)); }

double interpolated_precision(std::span<const int64_t> counted, int64_t objects) {
  std::vector<double> best, precisions(recall_steps);
  best_precisions(std::vector<uint32_t>(counted.begin(), counted.end()), best);
  const auto needed = needed_for(recall_list(), objects, counted.size());
  for (size_t r = 0; r < needed.size(); ++r)
    if (!best.empty() && needed[r] <= best.size()) precisions[r] = best[std::max<size_t>(needed[r], 1) - 1];
  return pairwise_sum(precisions.data(), precisions.size()) / recall_steps;
}

CocoMetrics coco_metrics(std::span<const Category> categories, std::span<const GroundTruth> objects,
                         std::span<const Detection> detections, const EvalSettings& settings) {
  const BoxTable truth = table_of(objects), found = table_of(detections);
  const CocoProtocol protocol = protocol_of(categories, truth, found, settings);
  const CocoPlaces places = coco_places(truth, found, protocol, usual_workers());
  const CocoCurves curves = coco_curves(truth, found, places, protocol, usual_workers());
  CocoMetrics metrics{.settings = settings, .metrics = metrics_of(settings), .values = {}, .classes = {}};
  metrics.values = summarize(curves, settings, metrics.metrics);
  for (size_t k = 0; k < categories.size(); ++k) {
    ClassMetrics& own = metrics.classes.emplace_back(ClassMetrics{categories[k].id,
                                                                  categories[k].name,
                                                                  curves.objects[k * curves.a],
                                                                  summarize(curves, settings, metrics.metrics, k),
                                                                  {}});
    own.precision.reserve(curves.t * curves.r);
    for (size_t t = 0; t < curves.t; ++t)
      for (size_t r = 0; r < curves.r; ++r) own.precision.push_back(curves.precision[curves.at(t, r, k)]);
  }
  return metrics;
}

}  // namespace fovea
