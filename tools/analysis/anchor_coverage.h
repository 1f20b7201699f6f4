// Which anchors would find which boxes: the best overlap of each box with all anchors of its image, at the size that
// the network sees.
#pragma once
#include <array>
#include <cstddef>
#include <vector>

#include "model/size2d.h"
#include "tools/config/config.h"
#include "tools/data/dataset.h"

namespace fovea {

constexpr size_t kLevels = 5;  // P3 … P7

// The levels of one size of image.
struct AnchorGrid {
  Size2d image;  // padded
  std::array<Size2d, kLevels> levels;
  bool operator==(const AnchorGrid& other) const {
    return image.height == other.image.height && image.width == other.image.width;
  }
};
AnchorGrid grid_of(int width, int height, const InputConfig& input);

struct ScaledBox {
  double x1, y1, x2, y2;  // pixels of the resized image
  size_t grid;            // index of its image's
  size_t sample, object;  // where it comes from
};

// All boxes of a split but crowd regions, and the grids that they lie on.
struct ScaledBoxes {
  std::vector<AnchorGrid> grids;
  std::vector<ScaledBox> boxes;
};
ScaledBoxes boxes_at_size(const Dataset& dataset, const InputConfig& input);

struct AnchorMatch {
  double iou = 0;
  size_t level = 0, cell = 0;  // cell: ratio-major, as anchor_cells
};

// Each box's best anchor; of equal ones the first. Exact: of the anchors of one shape the one whose center is nearest
// overlaps most, so one a shape is looked at.
std::vector<AnchorMatch> best_anchors(const ScaledBoxes& boxes, const AnchorConfig& anchors);

struct Coverage {
  double recall_40 = 0, recall_50 = 0, mean_iou = 0;
};
Coverage coverage(const std::vector<AnchorMatch>& matches);

}  // namespace fovea
