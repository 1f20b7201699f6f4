// Detection in float64, step by step as torchvision's RetinaNet.postprocess_detections: sort everything, take the best.
#pragma once
#include <algorithm>
#include <vector>

#include "tests/support/boxes_oracle.h"

namespace fovea::test::oracle {

struct Candidate {
  double logit;
  int index;  // of the image's (anchor, class) pairs
  int label;
  Four box;
};

inline bool better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.index < b.index;
}

// Greedy, candidates sorted. `closest`: the least distance of any IoU from the threshold, for tests to see that no
// decision hangs on rounding.
inline std::vector<Candidate> suppress(const std::vector<Candidate>& sorted, double threshold, bool class_agnostic,
                                       double& closest) {
  std::vector<Candidate> kept;
  for (const Candidate& c : sorted) {
    bool suppressed = false;
    for (const Candidate& k : kept) {
      if (!class_agnostic && k.label != c.label) continue;
      const double overlap = iou(k.box, c.box);
      closest = std::min(closest, std::abs(overlap - threshold));
      suppressed |= overlap > threshold;
    }
    if (!suppressed) kept.push_back(c);
  }
  return kept;
}

struct DetectSettings {
  double score_threshold;
  int candidates_per_level, first_class;
  double nms_threshold;
  bool class_agnostic;
  int detections;
};

// One image. `logits` and `deltas`: [anchors][columns]; `first_anchor` of each level and the end.
inline std::vector<Candidate> detect(const std::vector<std::vector<double>>& logits, const std::vector<Four>& deltas,
                                     const std::vector<Four>& anchors, const std::vector<int>& first_anchor,
                                     double height, double width, const DetectSettings& s, double& closest) {
  std::vector<Candidate> all;
  for (size_t level = 0; level + 1 < first_anchor.size(); ++level) {
    std::vector<Candidate> of_level;
    for (int a = first_anchor[level]; a < first_anchor[level + 1]; ++a)
      for (int c = s.first_class; c < static_cast<int>(logits[a].size()); ++c)
        if (1 / (1 + std::exp(-logits[a][c])) > s.score_threshold)
          of_level.push_back({logits[a][c], a * static_cast<int>(logits[a].size()) + c, c, {}});
    std::sort(of_level.begin(), of_level.end(), better);
    of_level.resize(std::min<size_t>(of_level.size(), s.candidates_per_level));
    for (Candidate& c : of_level) {
      const int a = c.index / static_cast<int>(logits[0].size());
      c.box = decode({}, anchors[a], deltas[a]);
      for (int k = 0; k < 4; ++k) c.box[k] = std::clamp(c.box[k], 0., k % 2 == 0 ? width : height);
      all.push_back(c);
    }
  }
  std::sort(all.begin(), all.end(), better);
  auto kept = suppress(all, s.nms_threshold, s.class_agnostic, closest);
  kept.resize(std::min<size_t>(kept.size(), s.detections));
  return kept;
}

}  // namespace fovea::test::oracle
