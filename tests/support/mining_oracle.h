// Hard example mining in float64, from the definitions: everything is sorted, and the list gone down.
#pragma once
#include <algorithm>
#include <numeric>
#include <vector>

#include "kernels/level_view.h"
#include "tests/support/boxes_oracle.h"

namespace fovea::test::oracle {

struct MiningSettings {
  int minibatch = 512;  // 0: as SSD
  double nms = 0.7;
  int ratio = 0;
};

struct MinedImage {
  std::vector<int32_t> targets;  // kIgnored for what is not kept
  double closest_iou = 1;        // to the threshold, of all that was compared
  double closest_loss = 1;       // of neighbors in the list that are not equal, as a share of the larger
};

// One image. `losses` and `targets` of its anchors.
inline MinedImage mine(const std::vector<double>& losses, const std::vector<int32_t>& targets,
                       const std::vector<Four>& anchors, const MiningSettings& settings) {
  MinedImage image{std::vector<int32_t>(targets.size(), kIgnored)};
  std::vector<size_t> order(targets.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::erase_if(order, [&](size_t i) { return targets[i] == kIgnored; });
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return losses[a] > losses[b]; });
  for (size_t k = 1; k < order.size(); ++k)
    if (const double larger = losses[order[k - 1]], smaller = losses[order[k]]; larger != smaller)
      image.closest_loss = std::min(image.closest_loss, (larger - smaller) / larger);

  const bool ssd = settings.minibatch == 0;
  const auto everything = static_cast<int>(targets.size());
  const int most = ssd ? everything : settings.minibatch;
  const int most_positives = ssd || settings.ratio == 0 ? most : most / (1 + settings.ratio);
  const int most_negatives = ssd || settings.ratio == 0 ? most : most - most_positives;
  std::vector<size_t> kept;
  int positives = 0, negatives = 0;
  for (const size_t i : order) {
    if (static_cast<int>(kept.size()) == most) break;
    bool overlaps = false;
    for (const size_t k : kept) {
      if (ssd) break;
      const double overlap = iou(anchors[k], anchors[i]);
      image.closest_iou = std::min(image.closest_iou, std::abs(overlap - settings.nms));
      overlaps |= overlap > settings.nms;
    }
    const bool positive = targets[i] >= 0;
    if (overlaps || (positive ? positives == most_positives : negatives == most_negatives)) continue;
    ++(positive ? positives : negatives);
    kept.push_back(i);
  }
  int granted = settings.ratio > 0 ? settings.ratio * std::max(positives, 1) : everything;
  for (const size_t i : kept)
    if (targets[i] >= 0 || granted-- > 0) image.targets[i] = targets[i];
  return image;
}

}  // namespace fovea::test::oracle
