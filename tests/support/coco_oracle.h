// COCO's protocol for boxes, written down plainly: every value anew from the whole data, no sharing, no shortcuts.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "tools/eval/coco_metrics.h"

namespace fovea::test::oracle {

struct Curve {
  bool defined = false;
  double recall = 0;
  std::vector<double> precision;  // at the recalls
  std::vector<double> scores;     // of the first detection that reaches them
};

inline std::vector<double> coco_recalls() {
  std::vector<double> recalls;
  for (int r = 0; r <= 100; ++r) recalls.push_back(r * 0.01);
  return recalls;
}

// One category, one IoU threshold, one range of areas, the best `limit` detections an image of `most` that are
// matched.
inline Curve coco_curve(const std::vector<GroundTruth>& truth, const std::vector<Detection>& found, int64_t category,
                        double threshold, double low, double high, size_t limit, size_t most = 100,
                        const std::vector<double>& recalls = coco_recalls()) {
  struct Vote {
    double score;
    bool right, ignored;
  };
  std::set<int64_t> images;
  for (const auto& g : truth) images.insert(g.image_id);
  for (const auto& d : found) images.insert(d.image_id);
  std::vector<Vote> votes;
  double objects = 0;
  for (int64_t image : images) {
    std::vector<GroundTruth> counting, ignored;
    for (const auto& g : truth) {
      if (g.image_id != image || g.category_id != category) continue;
      (g.crowd || g.area < low || g.area > high ? ignored : counting).push_back(g);
    }
    objects += static_cast<double>(counting.size());
    std::vector<Detection> best_first;
    for (const auto& d : found) {
      if (d.image_id == image && d.category_id == category) best_first.push_back(d);
    }
    std::stable_sort(best_first.begin(), best_first.end(), [](auto& a, auto& b) { return a.score > b.score; });
    if (best_first.size() > most) best_first.resize(most);
    std::vector<bool> counting_used(counting.size()), ignored_used(ignored.size());
    for (size_t rank = 0; rank < best_first.size(); ++rank) {
      const Detection& d = best_first[rank];
      const auto best_of = [&](const std::vector<GroundTruth>& list, const std::vector<bool>& used) {
        int best = -1;
        double best_iou = std::min(threshold, 1 - 1e-10);
        for (size_t i = 0; i < list.size(); ++i) {
          const GroundTruth& g = list[i];
          const double width = std::min(d.x + d.w, g.x + g.w) - std::max(d.x, g.x);
          const double height = std::min(d.y + d.h, g.y + g.h) - std::max(d.y, g.y);
          const double both = width > 0 && height > 0 ? width * height : 0;
          const double iou = both == 0 ? 0 : both / (g.crowd ? d.w * d.h : d.w * d.h + g.w * g.h - both);
          if ((used[i] && !g.crowd) || iou < best_iou) continue;
          best_iou = iou;
          best = static_cast<int>(i);
        }
        return best;
      };
      const int match = best_of(counting, counting_used);
      const int ignored_match = match < 0 ? best_of(ignored, ignored_used) : -1;
      if (match >= 0) counting_used[match] = true;
      if (ignored_match >= 0) ignored_used[ignored_match] = true;
      if (rank >= limit) continue;
      const bool right = match >= 0 && counting[match].id != 0;
      const bool outside = d.w * d.h < low || d.w * d.h > high;
      votes.push_back({d.score, right, ignored_match >= 0 || (!right && outside)});
    }
  }
  Curve curve;
  if (objects == 0) return curve;
  curve.defined = true;
  std::stable_sort(votes.begin(), votes.end(), [](auto& a, auto& b) { return a.score > b.score; });
  std::vector<double> recall, precision;
  double right = 0, all = 0;
  for (const Vote& vote : votes) {
    right += vote.right;
    all += !vote.ignored;
    recall.push_back(right / objects);
    precision.push_back(right / (all + std::numeric_limits<double>::epsilon()));
  }
  if (!recall.empty()) curve.recall = recall.back();
  for (const double wanted : recalls) {
    double best = 0, score = 0;
    for (size_t i = recall.size(); i-- > 0;)
      if (recall[i] >= wanted) best = std::max(best, precision[i]), score = votes[i].score;
    curve.precision.push_back(best);
    curve.scores.push_back(score);
  }
  return curve;
}

inline std::vector<double> coco_values(const std::vector<Category>& categories, const std::vector<GroundTruth>& truth,
                                       const std::vector<Detection>& found) {
  // numpy.linspace(.5, .95, 10)
  const std::vector<double> thresholds = {0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95};
  struct Question {
    bool recall;
    double low, high;
    size_t limit;
    std::vector<double> thresholds;
  };
  const double small = 32 * 32, medium = 96 * 96, large = 1e10;
  const std::vector<Question> questions = {
      {false, 0, large, 100, thresholds},      {false, 0, large, 100, {0.5}},
      {false, 0, large, 100, {0.75}},          {false, 0, small, 100, thresholds},
      {false, small, medium, 100, thresholds}, {false, medium, large, 100, thresholds},
      {true, 0, large, 1, thresholds},         {true, 0, large, 10, thresholds},
      {true, 0, large, 100, thresholds},       {true, 0, small, 100, thresholds},
      {true, small, medium, 100, thresholds},  {true, medium, large, 100, thresholds}};
  std::vector<double> values;
  for (const Question& q : questions) {
    double sum = 0, count = 0;
    for (const Category& category : categories) {
      for (double threshold : q.thresholds) {
        const Curve curve = coco_curve(truth, found, category.id, threshold, q.low, q.high, q.limit);
        if (!curve.defined) continue;
        if (q.recall) sum += curve.recall, count += 1;
        if (!q.recall) {
          for (double p : curve.precision) sum += p, count += 1;
        }
      }
    }
    values.push_back(count ? sum / count : -1);
  }
  return values;
}

}  // namespace fovea::test::oracle
