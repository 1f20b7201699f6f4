// Anchors fitted to a dataset.
#pragma once
#include <functional>

#include "tools/analysis/anchor_coverage.h"

namespace fovea {

// As many sizes, octaves and ratios as `start` has, changed so that more boxes have an anchor that overlaps them: from
// `start`, and from k-means on 1 - IoU over the boxes' shapes and sizes, step by step to what covers more, measured
// with the anchors at their real places. Recall at 0.4 and at 0.5 are at least those of `start`. Deterministic.
// `progress(done, total)` is called after each of these steps.
AnchorConfig fit_anchors(const ScaledBoxes& boxes, const AnchorConfig& start,
                         const std::function<void(int64_t, int64_t)>& progress = {});

// k boxes (width, height) that stand for the given ones, by k-means with the distance 1 - IoU of boxes at one place;
// sorted by height / width.
std::vector<std::array<double, 2>> cluster_boxes(const std::vector<std::array<double, 2>>& boxes, size_t k);

}  // namespace fovea
