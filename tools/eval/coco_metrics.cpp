// The protocol of pycocotools' COCOeval (iouType "bbox"): evaluateImg, accumulate, summarize. Where its arithmetic
// decides the last digits (thresholds as numpy.linspace makes them, numpy's pairwise sums, the order of ties), it is
// followed to the letter.
#include "tools/eval/coco_metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "kernels/error.h"
#include "tools/report/table.h"

namespace fovea {
namespace {

constexpr int iou_steps = 10, recall_steps = 101, area_ranges = 4, max_detections = 100;
constexpr int detection_limits[3] = {1, 10, max_detections};
constexpr double area_range[area_ranges][2] = {{0, 1e10}, {0, 32 * 32}, {32 * 32, 96 * 96}, {96 * 96, 1e10}};

// numpy.linspace(first, last, count)[i]: the rounding of i × step decides, e.g. 0.8999999999999999 for the IoU 0.9.
double linspace(double first, double last, int count, int i) {
  return i == count - 1 ? last : first + i * ((last - first) / (count - 1));
}
double iou_threshold(int t) { return linspace(0.5, 0.95, iou_steps, t); }
double recall_threshold(int r) { return linspace(0, 1, recall_steps, r); }

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

// One detection of the category under evaluation; bit t of the masks speaks of iou_threshold(t).
struct Judged {
  double score;
  int rank;  // among the detections of its image, best first
  uint16_t matched[area_ranges] = {}, ignored[area_ranges] = {};
};

// What one category contributes.
struct CategoryResult {
  int64_t objects[area_ranges] = {};                       // not ignored
  double precision[area_ranges][iou_steps][recall_steps];  // at most max_detections an image
  double recall[area_ranges][iou_steps];
  double recall_at[2][iou_steps];  // all areas, at the first two detection_limits
};

double iou(const Detection& d, const GroundTruth& g) {
  const double w = std::min(d.w + d.x, g.w + g.x) - std::max(d.x, g.x);
  const double h = std::min(d.h + d.y, g.h + g.y) - std::max(d.y, g.y);
  if (w <= 0 || h <= 0) return 0;
  const double intersection = w * h, detection_area = d.w * d.h;
  return intersection / (g.crowd ? detection_area : detection_area + g.w * g.h - intersection);
}

bool outside(double area, int range) { return area < area_range[range][0] || area > area_range[range][1]; }

// The objects and detections of one category in one image.
struct ImageGroup {
  std::vector<const GroundTruth*> objects;
  std::vector<const Detection*> detections;  // best first
};

struct Candidate {
  int object;
  double iou;
};

// For one area range: COCO's greedy matching at every IoU threshold. `candidates[d]`: objects that overlap detection d
// at all sufficiently, in the order of the file. Objects that count are tried before ignored ones.
void match(const ImageGroup& group, const std::vector<std::vector<Candidate>>& candidates, int range,
           std::span<Judged> judged) {
  const auto ignored = [&](int g) { return group.objects[g]->crowd || outside(group.objects[g]->area, range); };
  std::vector<uint16_t> taken(group.objects.size(), 0);
  for (size_t d = 0; d < judged.size(); ++d) {
    std::vector<Candidate> order = candidates[d];
    std::stable_partition(order.begin(), order.end(), [&](const Candidate& c) { return !ignored(c.object); });
    const bool detection_outside = outside(group.detections[d]->w * group.detections[d]->h, range);
    for (int t = 0; t < iou_steps; ++t) {
      const uint16_t bit = 1 << t;
      double best = std::min(iou_threshold(t), 1 - 1e-10);
      int match = -1;
      for (const Candidate& c : order) {
        if ((taken[c.object] & bit) && !group.objects[c.object]->crowd) continue;
        if (match >= 0 && !ignored(match) && ignored(c.object)) break;
        if (c.iou < best) continue;
        best = c.iou;
        match = c.object;
      }
      if (match >= 0) taken[match] |= bit;
      const bool matched = match >= 0 && group.objects[match]->id != 0;
      if (matched) judged[d].matched[range] |= bit;
      if ((match >= 0 && ignored(match)) || (!matched && detection_outside)) judged[d].ignored[range] |= bit;
    }
  }
}

void judge_image(const ImageGroup& group, CategoryResult& result, std::vector<Judged>& all) {
  const size_t first = all.size(), count = std::min<size_t>(group.detections.size(), max_detections);
  std::vector<std::vector<Candidate>> candidates(count);
  for (size_t d = 0; d < count; ++d) {
    all.push_back({.score = group.detections[d]->score, .rank = static_cast<int>(d)});
    for (size_t g = 0; g < group.objects.size(); ++g) {
      const double overlap = iou(*group.detections[d], *group.objects[g]);
      if (overlap >= iou_threshold(0)) candidates[d].push_back({static_cast<int>(g), overlap});
    }
  }
  for (int range = 0; range < area_ranges; ++range) {
    match(group, candidates, range, std::span(all).subspan(first));
    for (const GroundTruth* object : group.objects)
      result.objects[range] += !object->crowd && !outside(object->area, range);
  }
}

// Walks down the detections, best first. Returns the final recall; `precision` (recall_steps values, or null) gets the
// interpolated precision at each recall threshold.
double precision_recall(const std::vector<Judged>& judged, int64_t objects, int range, int t, int limit,
                        double* precision) {
  std::vector<double> recalls, precisions;
  double right = 0, wrong = 0;
  for (const Judged& detection : judged) {
    if (detection.rank >= limit) continue;
    const bool ignored = detection.ignored[range] >> t & 1, matched = detection.matched[range] >> t & 1;
    right += matched && !ignored;
    wrong += !matched && !ignored;
    recalls.push_back(right / static_cast<double>(objects));
    precisions.push_back(right / (wrong + right + std::numeric_limits<double>::epsilon()));
  }
  if (precision) {
    for (size_t i = precisions.size(); i-- > 1;) precisions[i - 1] = std::max(precisions[i - 1], precisions[i]);
    for (int r = 0; r < recall_steps; ++r) {
      const size_t at = std::lower_bound(recalls.begin(), recalls.end(), recall_threshold(r)) - recalls.begin();
      precision[r] = at < precisions.size() ? precisions[at] : 0;
    }
  }
  return recalls.empty() ? 0 : recalls.back();
}

void accumulate(std::vector<Judged> judged, CategoryResult& result) {
  std::stable_sort(judged.begin(), judged.end(), [](const Judged& a, const Judged& b) { return a.score > b.score; });
  for (int range = 0; range < area_ranges; ++range) {
    for (int t = 0; t < iou_steps; ++t) {
      const int64_t objects = result.objects[range];
      if (objects == 0) {
        std::fill_n(result.precision[range][t], recall_steps, no_ground_truth);
        result.recall[range][t] = no_ground_truth;
      } else {
        result.recall[range][t] =
            precision_recall(judged, objects, range, t, max_detections, result.precision[range][t]);
      }
      if (range > 0) continue;
      for (int limit = 0; limit < 2; ++limit) {
        result.recall_at[limit][t] =
            objects ? precision_recall(judged, objects, range, t, detection_limits[limit], nullptr) : no_ground_truth;
      }
    }
  }
}

// Indices of the entries of each category, sorted by image. Within an image the order stays.
template <class Entry>
std::vector<std::vector<const Entry*>> by_category(std::span<const Category> categories,
                                                   std::span<const Entry> entries) {
  std::unordered_map<int64_t, size_t> label;
  for (size_t k = 0; k < categories.size(); ++k) label[categories[k].id] = k;
  std::vector<std::vector<const Entry*>> lists(categories.size());
  for (const Entry& entry : entries) {
    if (const auto found = label.find(entry.category_id); found != label.end()) lists[found->second].push_back(&entry);
  }
  for (auto& list : lists) {
    std::stable_sort(list.begin(), list.end(),
                     [](const Entry* a, const Entry* b) { return a->image_id < b->image_id; });
  }
  return lists;
}

CategoryResult evaluate(const std::vector<const GroundTruth*>& objects,
                        const std::vector<const Detection*>& detections) {
  CategoryResult result;
  std::vector<Judged> judged;
  auto g = objects.begin();
  auto d = detections.begin();
  while (g != objects.end() || d != detections.end()) {
    const bool object_first = d == detections.end() || (g != objects.end() && (*g)->image_id < (*d)->image_id);
    const int64_t image = object_first ? (*g)->image_id : (*d)->image_id;
    ImageGroup group;
    while (g != objects.end() && (*g)->image_id == image) group.objects.push_back(*g++);
    while (d != detections.end() && (*d)->image_id == image) group.detections.push_back(*d++);
    std::stable_sort(group.detections.begin(), group.detections.end(),
                     [](auto* a, auto* b) { return a->score > b->score; });
    judge_image(group, result, judged);
  }
  accumulate(std::move(judged), result);
  return result;
}

// The mean over IoU thresholds [first, last), recall thresholds and categories, in numpy's order of an array [T, R, K].
double mean_precision(std::span<const CategoryResult> results, int range, int first = 0, int last = iou_steps) {
  std::vector<double> values;
  for (int t = first; t < last; ++t) {
    for (int r = 0; r < recall_steps; ++r) {
      for (const CategoryResult& result : results) values.push_back(result.precision[range][t][r]);
    }
  }
  return mean_of_known(std::move(values));
}

template <class RecallOf>
double mean_recall(std::span<const CategoryResult> results, RecallOf&& recall_of) {
  std::vector<double> values;
  for (int t = 0; t < iou_steps; ++t) {
    for (const CategoryResult& result : results) values.push_back(recall_of(result)[t]);
  }
  return mean_of_known(std::move(values));
}

std::array<double, 12> summarize(std::span<const CategoryResult> results) {
  const auto recall_in = [&](int range) {
    return mean_recall(results, [=](auto& result) { return result.recall[range]; });
  };
  const auto recall_at = [&](int limit) {
    return mean_recall(results, [=](auto& result) { return result.recall_at[limit]; });
  };
  return {mean_precision(results, 0),
          mean_precision(results, 0, 0, 1),
          mean_precision(results, 0, 5, 6),
          mean_precision(results, 1),
          mean_precision(results, 2),
          mean_precision(results, 3),
          recall_at(0),
          recall_at(1),
          recall_in(0),
          recall_in(1),
          recall_in(2),
          recall_in(3)};
}

std::string format_value(double value) {
  return value == no_ground_truth ? "n/a (no ground truth)" : fmt::format("{:.3f}", value);
}

}  // namespace

std::vector<GroundTruth> ground_truth(const Dataset& dataset) {
  std::vector<GroundTruth> objects;
  for (const Sample& sample : dataset.samples) {
    for (const Object& object : sample.objects) {
      const auto [x, y, w, h] = object.bbox;
      objects.push_back(
          {sample.id, dataset.categories[object.label].id, x, y, w, h, object.area, object.crowd, object.id});
    }
  }
  return objects;
}

CocoMetrics coco_metrics(std::span<const Category> categories, std::span<const GroundTruth> objects,
                         std::span<const Detection> detections) {
  for (const Detection& detection : detections) require(detection.score == detection.score, "scores are numbers");
  const auto objects_of = by_category(categories, objects);
  const auto detections_of = by_category(categories, detections);
  std::vector<CategoryResult> results(categories.size());
#pragma omp parallel for schedule(dynamic)
  for (size_t k = 0; k < categories.size(); ++k) results[k] = evaluate(objects_of[k], detections_of[k]);

  CocoMetrics metrics{summarize(results), {}};
  for (size_t k = 0; k < categories.size(); ++k) {
    const auto v = summarize(std::span(results).subspan(k, 1));
    metrics.classes.push_back({categories[k].id, categories[k].name, results[k].objects[0], v[Ap], v[Ap50], v[Ap75],
                               v[ApSmall], v[ApMedium], v[ApLarge], v[Ar100]});
  }
  return metrics;
}

std::string table(const CocoMetrics& metrics) {
  constexpr const char* areas[] = {"all", "all", "all", "small", "medium", "large"};
  constexpr const char* ious[] = {"0.50:0.95", "0.50", "0.75"};
  Table table({"metric", "IoU", "area", "detections", "value"});
  for (int i = 0; i < 12; ++i) {
    const bool recall = i >= Ar1;
    const int limit = recall && i < Ar100 ? detection_limits[i - Ar1] : max_detections;
    table.add({coco_value_names[i], ious[recall || i > Ap75 ? 0 : i], areas[i % 6], std::to_string(limit),
               format_value(metrics.values[i])});
  }
  return table.text();
}

std::string class_table(const CocoMetrics& metrics) {
  Table table({"class", "objects", "AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge", "AR100"});
  for (const ClassAp& c : metrics.classes) {
    std::vector<std::string> row = {c.name, std::to_string(c.objects)};
    for (double value : {c.ap, c.ap50, c.ap75, c.ap_small, c.ap_medium, c.ap_large, c.ar100})
      row.push_back(format_value(value));
    table.add(row);
  }
  return table.text();
}

}  // namespace fovea
