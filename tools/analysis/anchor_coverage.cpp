#include "tools/analysis/anchor_coverage.h"

#include <algorithm>
#include <cmath>

#include "kernels/launch/math.h"
#include "model/anchors.h"
#include "model/size2d.h"
#include "tools/data/loading/labeled_image.h"

namespace fovea {

AnchorGrid grid_of(int width, int height, const InputConfig& input) {
  const Size2d size = resized({height, width}, input.short_side.back(), input.long_side);
  const auto padded = [&](int side) { return round_up(side, input.pad_to); };
  AnchorGrid grid{.image = {padded(size.height), padded(size.width)}, .levels = {}};
  Size2d level = grid.image;
  const auto halve = [&] { level = {(level.height + 1) / 2, (level.width + 1) / 2}; };
  halve();  // the stem's two
  halve();
  for (Size2d& of_level : grid.levels) {
    halve();
    of_level = level;
  }
  return grid;
}

ScaledBoxes boxes_at_size(const Dataset& dataset, const InputConfig& input) {
  ScaledBoxes scaled;
  for (size_t s = 0; s < dataset.samples.size(); ++s) {
    const Sample& sample = dataset.samples[s];
    const AnchorGrid grid = grid_of(sample.width, sample.height, input);
    const Size2d size = resized({sample.height, sample.width}, input.short_side.back(), input.long_side);
    const double x = static_cast<double>(size.width) / sample.width,
                 y = static_cast<double>(size.height) / sample.height;
    const auto known = std::find(scaled.grids.begin(), scaled.grids.end(), grid);
    const auto index = static_cast<size_t>(known - scaled.grids.begin());
    if (known == scaled.grids.end()) scaled.grids.push_back(grid);
    for (size_t o = 0; o < sample.objects.size(); ++o) {
      const Object& object = sample.objects[o];
      if (!object.crowd)
        scaled.boxes.push_back({object.x1 * x, object.y1 * y, object.x2 * x, object.y2 * y, index, s, o});
    }
  }
  return scaled;
}

namespace {

double overlap(double low_a, double high_a, double low_b, double high_b) {
  return std::max(0.0, std::min(high_a, high_b) - std::max(low_a, low_b));
}

// The place on an axis of `count` cells at a stride that is nearest to `center`, of anchors `offset` strides from their
// cells.
double nearest_place(double center, int length, int count, double offset) {
  const int stride = length / count;
  return (std::clamp(std::round(center / stride - offset), 0.0, count - 1.0) + offset) * stride;
}

AnchorMatch best_anchor(const ScaledBox& box, const AnchorGrid& grid, const AnchorConfig& anchors,
                        const std::array<std::vector<float>, kLevels>& cells) {
  AnchorMatch best;
  const double beyond = anchors.inclusive ? 0.5 : 0;  // of an anchor's center beyond its place
  const double area = (box.x2 - box.x1) * (box.y2 - box.y1);
  for (size_t level = 0; level < kLevels; ++level) {
    const Size2d size = grid.levels[level];
    const double x = nearest_place((box.x1 + box.x2) / 2 - beyond, grid.image.width, size.width, anchors.offset);
    const double y = nearest_place((box.y1 + box.y2) / 2 - beyond, grid.image.height, size.height, anchors.offset);
    for (size_t cell = 0; cell < cells[level].size() / 4; ++cell) {
      const float* a = &cells[level][4 * cell];
      const double shared = overlap(box.x1, box.x2, x + a[0], x + a[2]) * overlap(box.y1, box.y2, y + a[1], y + a[3]);
      const double iou = shared / (area + (double{a[2]} - a[0]) * (double{a[3]} - a[1]) - shared);
      if (iou > best.iou) best = {iou, level, cell};
    }
  }
  return best;
}

}  // namespace

std::vector<AnchorMatch> best_anchors(const ScaledBoxes& boxes, const AnchorConfig& anchors) {
  std::array<std::vector<float>, kLevels> cells;
  for (size_t level = 0; level < kLevels; ++level) cells[level] = anchor_cells(anchors, level);
  std::vector<AnchorMatch> matches;
  matches.reserve(boxes.boxes.size());
  for (const ScaledBox& box : boxes.boxes) matches.push_back(best_anchor(box, boxes.grids[box.grid], anchors, cells));
  return matches;
}

Coverage coverage(const std::vector<AnchorMatch>& matches) {
  Coverage result;
  for (const AnchorMatch& match : matches) {
    result.recall_40 += match.iou >= 0.4 ? 1 : 0;
    result.recall_50 += match.iou >= 0.5 ? 1 : 0;
    result.mean_iou += match.iou;
  }
  const double count = std::max<double>(1, static_cast<double>(matches.size()));
  return {result.recall_40 / count, result.recall_50 / count, result.mean_iou / count};
}

}  // namespace fovea
