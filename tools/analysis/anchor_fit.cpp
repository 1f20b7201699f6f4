#include "tools/analysis/anchor_fit.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace fovea {

namespace {

using Sides = std::array<double, 2>;

double iou_at_one_place(const Sides& a, const Sides& b) {
  const double shared = std::min(a[0], b[0]) * std::min(a[1], b[1]);
  return shared / (a[0] * a[1] + b[0] * b[1] - shared);
}

// What is to be raised: recall and the mean overlap, but never so that recall falls below what there was.
class Score {
 public:
  Score(const ScaledBoxes& boxes, const AnchorConfig& start)
      : boxes_(boxes), before_(coverage(best_anchors(boxes, start))) {}

  double of(const AnchorConfig& anchors) const {
    const Coverage c = coverage(best_anchors(boxes_, anchors));
    const double lost = std::max(0.0, before_.recall_50 - c.recall_50) + std::max(0.0, before_.recall_40 - c.recall_40);
    return c.recall_50 + 0.5 * c.recall_40 + c.mean_iou - kPriceOfLoss * lost;
  }
  bool loses(const AnchorConfig& anchors) const {
    const Coverage c = coverage(best_anchors(boxes_, anchors));
    return c.recall_40 < before_.recall_40 || c.recall_50 < before_.recall_50;
  }

 private:
  static constexpr double kPriceOfLoss = 100;
  const ScaledBoxes& boxes_;
  Coverage before_;
};

// At most `most`, evenly taken: enough to tell one set of anchors from another.
ScaledBoxes thinned(const ScaledBoxes& boxes, size_t most) {
  if (boxes.boxes.size() <= most) return boxes;
  ScaledBoxes fewer{.grids = boxes.grids, .boxes = {}};
  for (size_t i = 0; i < most; ++i) fewer.boxes.push_back(boxes.boxes[i * boxes.boxes.size() / most]);
  return fewer;
}

// Each level keeps boxes of a size of its own: one and a half times the size of the level below, or more.
constexpr double kLeastGrowth = 1.5, kRounding = 0.01;

bool is_sound(const AnchorConfig& anchors) {
  const auto too_close = [](double size, double next) { return next < kLeastGrowth * size * (1 - kRounding); };
  return std::adjacent_find(anchors.sizes.begin(), anchors.sizes.end(), too_close) == anchors.sizes.end() &&
         anchors.sizes[0] >= 2 && std::is_sorted(anchors.ratios.begin(), anchors.ratios.end(), std::less_equal<>());
}

// What a config is written with.
double rounded(double value) {
  const double digits = std::pow(10.0, 2 - std::floor(std::log10(value)));
  return std::round(value * digits) / digits;
}

// Shapes from clusters of the boxes' own; sizes to start from, less what the octaves add: where most boxes are, or
// evenly (in logarithms) from the smallest boxes to the largest.
std::vector<AnchorConfig> from_boxes(const ScaledBoxes& boxes, const AnchorConfig& start) {
  std::vector<Sides> shapes;
  std::vector<double> scales;
  for (const ScaledBox& box : boxes.boxes) {
    const double w = box.x2 - box.x1, h = box.y2 - box.y1, scale = std::sqrt(w * h);
    shapes.push_back({w / scale, h / scale});
    scales.push_back(scale);
  }
  std::sort(scales.begin(), scales.end());
  const auto quantile = [&](double share) {
    return scales[static_cast<size_t>(share * static_cast<double>(scales.size() - 1))];
  };
  double octave = 0;
  for (const double o : start.octaves) octave += o / static_cast<double>(start.octaves.size());
  AnchorConfig by_count = start;
  const auto clusters = cluster_boxes(shapes, start.ratios.size());
  for (size_t i = 0; i < clusters.size(); ++i) by_count.ratios[i] = clusters[i][1] / clusters[i][0];
  AnchorConfig even = by_count;
  const double low = quantile(0.02), high = quantile(0.98);
  for (size_t l = 0; l < kLevels; ++l) {
    const double share = static_cast<double>(l) / (kLevels - 1);
    by_count.sizes[l] = quantile((static_cast<double>(l) + 0.5) / kLevels) / std::exp2(octave);
    even.sizes[l] = low * std::pow(high / low, share) / std::exp2(octave);
    for (AnchorConfig* anchors : {&by_count, &even})
      if (l > 0) anchors->sizes[l] = std::max(anchors->sizes[l], anchors->sizes[l - 1] * kLeastGrowth);
  }
  return {by_count, even};
}

constexpr double kSteps[] = {1.5, 1.25, 1.1, 1.05};

// Changes one number at a time, and all sizes together, as long as that helps; by smaller steps each round.
AnchorConfig climb(const Score& score, AnchorConfig anchors, const std::function<void()>& after_step) {
  double best = is_sound(anchors) ? score.of(anchors) : -std::numeric_limits<double>::infinity();
  const auto try_change = [&](auto&& change) {
    AnchorConfig changed = anchors;
    change(changed);
    for (double& size : changed.sizes) size = rounded(size);
    for (double& ratio : changed.ratios) ratio = rounded(ratio);
    if (!is_sound(changed)) return false;
    const double changed_score = score.of(changed);
    if (changed_score <= best) return false;
    anchors = changed;
    best = changed_score;
    return true;
  };
  constexpr int rounds = 4;  // of each step size, at most
  for (const double step : kSteps) {
    bool helped = true;
    for (int round = 0; round < rounds && helped; ++round) {
      helped = false;
      for (const double factor : {step, 1 / step}) {
        helped |= try_change([&](AnchorConfig& a) {
          for (double& size : a.sizes) size *= factor;
        });
        for (size_t l = 0; l < kLevels; ++l) helped |= try_change([&](AnchorConfig& a) { a.sizes[l] *= factor; });
        for (size_t r = 0; r < anchors.ratios.size(); ++r)
          helped |= try_change([&](AnchorConfig& a) { a.ratios[r] *= factor; });
      }
    }
    after_step();
  }
  return anchors;
}

}  // namespace

std::vector<Sides> cluster_boxes(const std::vector<Sides>& boxes, size_t k) {
  if (boxes.empty() || k == 0) return {};
  std::vector<Sides> order = boxes;
  const auto by_shape = [](const Sides& a, const Sides& b) { return a[1] * b[0] < b[1] * a[0]; };
  std::sort(order.begin(), order.end(), by_shape);
  std::vector<Sides> centers;
  for (size_t c = 0; c < k; ++c) centers.push_back(order[(2 * c + 1) * order.size() / (2 * k)]);
  constexpr int most_rounds = 50;
  std::vector<size_t> nearest(boxes.size(), k);
  for (int round = 0; round < most_rounds; ++round) {
    bool moved = false;
    std::vector<Sides> sums(k, Sides{0, 0});
    std::vector<double> counts(k, 0);
    for (size_t i = 0; i < boxes.size(); ++i) {
      size_t best = 0;
      for (size_t c = 1; c < k; ++c)
        if (iou_at_one_place(boxes[i], centers[c]) > iou_at_one_place(boxes[i], centers[best])) best = c;
      moved |= nearest[i] != best;
      nearest[i] = best;
      for (size_t side = 0; side < 2; ++side) sums[best][side] += boxes[i][side];
      ++counts[best];
    }
    for (size_t c = 0; c < k; ++c)
      if (counts[c] > 0) centers[c] = {sums[c][0] / counts[c], sums[c][1] / counts[c]};
    if (!moved) break;
  }
  std::sort(centers.begin(), centers.end(), by_shape);
  return centers;
}

AnchorConfig fit_anchors(const ScaledBoxes& boxes, const AnchorConfig& start,
                         const std::function<void(int64_t, int64_t)>& progress) {
  constexpr size_t enough = 4000;
  const ScaledBoxes some = thinned(boxes, enough);
  const Score of_some(some, start), of_all(boxes, start);
  AnchorConfig best = start;
  double best_score = of_all.of(start);
  std::vector<AnchorConfig> starts = from_boxes(some, start);
  starts.push_back(start);
  int64_t done = 0;
  for (const AnchorConfig& from : starts) {
    const AnchorConfig found = climb(of_some, from, [&] {
      if (progress) progress(++done, static_cast<int64_t>(starts.size() * std::size(kSteps)));
    });
    const double score = of_all.of(found);
    if (score <= best_score || of_all.loses(found)) continue;
    best = found;
    best_score = score;
  }
  return best;
}

}  // namespace fovea
