// Anchor matching as torchvision defines it, with the whole IoU matrix, in fp32: its decisions are exact comparisons of
// fp32 numbers, and so must ours be. Crowd and thin boxes as kernels/anchor_match.h says.
#pragma once
#include <algorithm>
#include <array>
#include <vector>

#include "kernels/level_view.h"

namespace fovea::test::oracle {

struct TruthBox {
  std::array<float, 4> box;
  int label = 0;
  bool crowd = false;
};
struct Matching {
  std::vector<int32_t> matches, targets;
  int positives = 0;
};

inline float intersection_of(const std::array<float, 4>& a, const std::array<float, 4>& b) {
  const float w = std::max(std::min(a[2], b[2]) - std::max(a[0], b[0]), 0.f);
  const float h = std::max(std::min(a[3], b[3]) - std::max(a[1], b[1]), 0.f);
  return w * h;
}
inline float area_of(const std::array<float, 4>& b) { return (b[2] - b[0]) * (b[3] - b[1]); }

inline Matching match_anchors(const std::vector<std::array<float, 4>>& anchors, const std::vector<TruthBox>& truth,
                              float high, float low, bool allow_low_quality) {
  const auto matchable = [](const TruthBox& t) {
    return !t.crowd && t.box[2] - t.box[0] >= 1 && t.box[3] - t.box[1] >= 1;
  };
  std::vector<std::vector<float>> quality(truth.size(), std::vector<float>(anchors.size(), 0.f));
  std::vector<float> highest(truth.size(), 0.f);
  for (size_t g = 0; g < truth.size(); ++g) {
    if (!matchable(truth[g])) continue;
    for (size_t a = 0; a < anchors.size(); ++a) {
      const float common = intersection_of(truth[g].box, anchors[a]);
      quality[g][a] = common / (area_of(truth[g].box) + area_of(anchors[a]) - common);
    }
    highest[g] = *std::max_element(quality[g].begin(), quality[g].end());
  }
  Matching result;
  for (size_t a = 0; a < anchors.size(); ++a) {
    int best = -1;
    for (size_t g = 0; g < truth.size(); ++g)
      if (matchable(truth[g]) && (best < 0 || quality[g][a] > quality[best][a])) best = static_cast<int>(g);
    const float value = best < 0 ? 0.f : quality[best][a];
    int match = value >= high ? best : value < low ? kBackground : kIgnored;
    for (size_t g = 0; g < truth.size(); ++g) {
      if (allow_low_quality && highest[g] > 0 && quality[g][a] == highest[g]) match = best;
      if (match == kBackground && truth[g].crowd &&
          intersection_of(truth[g].box, anchors[a]) / area_of(anchors[a]) >= low)
        match = -3;  // covered, unless a later box restores it
    }
    if (match == -3) match = kIgnored;
    result.matches.push_back(match);
    result.targets.push_back(match < 0 ? match : truth[match].label);
    result.positives += match >= 0;
  }
  return result;
}

}  // namespace fovea::test::oracle
