// The protocol of pycocotools' COCOeval (iouType "bbox"): accumulate, summarize; evaluateImg is in coco_matching.cpp.
// Where its arithmetic decides the last digits (thresholds as numpy.linspace makes them, numpy's pairwise sums, the
// order of ties), it is followed to the letter.
#include "tools/eval/coco_metrics.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "kernels/error.h"
#include "tools/eval/coco_matching.h"

namespace fovea {
namespace {

// numpy.add.reduce on contiguous doubles: eight running sums in blocks of at most 128.
double pairwise_sum(const double* a, size_t n) {
  if (n < 8) return std::accumulate(a, a + n, 0.0);
  if (n > 128) {
    const size_t half = n / 2 - n / 2 % 8;
    return pairwise_sum(a, half) + pairwise_sum(a + half, n - half);
  }
  double r[8];
  std::copy_n(a, 8, r);
  size_t i = 8;
  for (; i + 8 <= n; i += 8) {
    for (int j = 0; j < 8; ++j) r[j] += a[i + j];
  }
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < n; ++i) sum += a[i];
  return sum;
}

double mean_of_known(std::vector<double> values) {
  std::erase_if(values, [](double value) { return !(value > no_ground_truth); });
  return values.empty() ? no_ground_truth
                        : pairwise_sum(values.data(), values.size()) / static_cast<double>(values.size());
}

// The interpolated precision at each recall step: the best there is at that recall or a higher one. It can only be
// reached at a right detection, so the wrong ones need not be listed.
void precision_at_recalls(std::span<const int64_t> counted, int64_t objects, std::span<double> precision) {
  std::vector<double> recalls, precisions;
  for (size_t i = 0; i < counted.size(); ++i) {
    const auto right = static_cast<double>(i + 1);
    recalls.push_back(right / static_cast<double>(objects));
    precisions.push_back(right / (static_cast<double>(counted[i]) + std::numeric_limits<double>::epsilon()));
  }
  for (size_t i = precisions.size(); i-- > 1;) precisions[i - 1] = std::max(precisions[i - 1], precisions[i]);
  for (int r = 0; r < recall_steps; ++r) {
    const size_t at = std::lower_bound(recalls.begin(), recalls.end(), recall_step(r)) - recalls.begin();
    precision[r] = at < precisions.size() ? precisions[at] : 0;
  }
}

// What one category contributes.
struct CategoryResult {
  explicit CategoryResult(const EvalSettings& s)
      : objects(s.areas.size()),
        precision(s.areas.size() * s.ious.size() * recall_steps, no_ground_truth),
        recall(s.areas.size() * s.ious.size(), no_ground_truth),
        recall_at(s.limits.size() * s.ious.size(), no_ground_truth) {}

  std::vector<int64_t> objects;   // [areas], not ignored
  std::vector<double> precision;  // [areas, ious, recall_steps], at the highest limit
  std::vector<double> recall;     // [areas, ious], at the highest limit
  std::vector<double> recall_at;  // [limits, ious], of all areas
};

// The right detections at one threshold, walking down from the best.
struct Found {
  std::vector<int64_t> counted;   // see interpolated_precision
  std::vector<int64_t> at_limit;  // how many right ones each limit leaves
};

// For each threshold. Most detections fit no object at all: they are counted once for all thresholds.
std::vector<Found> walk(const MatchResult& matches, const MatchResult::Area& area, std::span<const uint32_t> order,
                        size_t thresholds, std::span<const int> limits) {
  std::vector<Found> found(thresholds, {{}, std::vector<int64_t>(limits.size())});
  const uint32_t every_bit = thresholds == most_thresholds ? UINT32_MAX : (uint32_t{1} << thresholds) - 1;
  int64_t wrong_everywhere = 0;
  std::vector<int64_t> others(thresholds);
  for (const uint32_t d : order) {
    const uint32_t matched = area.matched[d], ignored = area.ignored[d];
    if (ignored == every_bit) continue;
    if (matched == 0 && ignored == 0) {
      ++wrong_everywhere;
      continue;
    }
    for (size_t t = 0; t < thresholds; ++t) {
      if (ignored >> t & 1) continue;
      ++others[t];
      if (!(matched >> t & 1)) continue;
      found[t].counted.push_back(wrong_everywhere + others[t]);
      for (size_t l = 0; l < limits.size(); ++l) found[t].at_limit[l] += matches.ranks[d] < limits[l];
    }
  }
  return found;
}

// The order in which detections are walked: best first, equal scores in the order of images.
std::vector<uint32_t> order_by_score(std::span<const double> scores) {
  std::vector<uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return scores[a] > scores[b] || (scores[a] == scores[b] && a < b); });
  return order;
}

// The thresholds from `first` on, as many as there are bits.
void evaluate_slice(const CategoryPlaces& places, std::span<const GroundTruth> objects,
                    std::span<const Detection> detections, const EvalSettings& settings, size_t first,
                    CategoryResult& result) {
  const size_t all = settings.ious.size(), count = std::min(most_thresholds, all - first);
  const MatchResult matches = match(places, objects, detections, std::span(settings.ious).subspan(first, count),
                                    settings.areas, settings.limits.back());
  const auto order = order_by_score(matches.scores);
  for (size_t a = 0; a < settings.areas.size(); ++a) {
    const int64_t in_area = result.objects[a] = matches.areas[a].objects;
    if (in_area == 0) continue;
    const auto found = walk(matches, matches.areas[a], order, count, settings.limits);
    for (size_t t = 0; t < count; ++t) {
      const size_t at = a * all + first + t;
      const auto share = [&](int64_t right) { return static_cast<double>(right) / static_cast<double>(in_area); };
      precision_at_recalls(found[t].counted, in_area,
                           std::span(result.precision).subspan(at * recall_steps, recall_steps));
      result.recall[at] = share(static_cast<int64_t>(found[t].counted.size()));
      for (size_t l = 0; a == 0 && l < settings.limits.size(); ++l)
        result.recall_at[l * all + first + t] = share(found[t].at_limit[l]);
    }
  }
}

// The mean over IoU thresholds, recall steps and categories, in numpy's order of an array [T, R, K].
double mean_precision(std::span<const CategoryResult> results, const EvalSettings& settings, const Metric& metric) {
  const size_t all = settings.ious.size();
  const size_t first = metric.iou < 0 ? 0 : metric.iou, last = metric.iou < 0 ? all : first + 1;
  std::vector<double> values;
  values.reserve((last - first) * recall_steps * results.size());
  for (size_t t = first; t < last; ++t) {
    for (size_t r = 0; r < recall_steps; ++r) {
      for (const CategoryResult& result : results)
        values.push_back(result.precision[(metric.area * all + t) * recall_steps + r]);
    }
  }
  return mean_of_known(std::move(values));
}

double mean_recall(std::span<const CategoryResult> results, const EvalSettings& settings, const Metric& metric) {
  const size_t all = settings.ious.size();
  const auto limit = std::find(settings.limits.begin(), settings.limits.end(), metric.limit) - settings.limits.begin();
  std::vector<double> values;
  for (size_t t = 0; t < all; ++t) {
    for (const CategoryResult& result : results)
      values.push_back(metric.area == 0 ? result.recall_at[limit * all + t] : result.recall[metric.area * all + t]);
  }
  return mean_of_known(std::move(values));
}

std::vector<double> summarize(std::span<const CategoryResult> results, const EvalSettings& settings,
                              const std::vector<Metric>& metrics) {
  std::vector<double> values;
  for (const Metric& metric : metrics)
    values.push_back(metric.recall ? mean_recall(results, settings, metric)
                                   : mean_precision(results, settings, metric));
  return values;
}

}  // namespace

double recall_step(int r) { return r == recall_steps - 1 ? 1 : r * (1.0 / (recall_steps - 1)); }

double interpolated_precision(std::span<const int64_t> counted, int64_t objects) {
  std::vector<double> precision(recall_steps);
  precision_at_recalls(counted, objects, precision);
  return pairwise_sum(precision.data(), precision.size()) / recall_steps;
}

CocoMetrics coco_metrics(std::span<const Category> categories, std::span<const GroundTruth> objects,
                         std::span<const Detection> detections, const EvalSettings& settings) {
  for (const Detection& detection : detections) require(detection.score == detection.score, "a score is NaN");
  const auto places = by_category(categories, objects, detections);
  std::vector<CategoryResult> results(categories.size(), CategoryResult(settings));
#pragma omp parallel for schedule(dynamic)
  for (size_t k = 0; k < categories.size(); ++k) {
    for (size_t first = 0; first < settings.ious.size(); first += most_thresholds)
      evaluate_slice(places[k], objects, detections, settings, first, results[k]);
  }

  CocoMetrics metrics{.settings = settings, .metrics = metrics_of(settings)};
  metrics.values = summarize(results, settings, metrics.metrics);
  for (size_t k = 0; k < categories.size(); ++k) {
    const auto& precision = results[k].precision;
    metrics.classes.push_back({categories[k].id,
                               categories[k].name,
                               results[k].objects[0],
                               summarize(std::span(results).subspan(k, 1), settings, metrics.metrics),
                               {precision.begin(), precision.begin() + settings.ious.size() * recall_steps}});
  }
  return metrics;
}

}  // namespace fovea
