// Anchors: at every location of every level, boxes of three octaves and three aspect ratios (section 4).
#pragma once
#include <cstddef>
#include <vector>

#include "model/config.h"
#include "model/size2d.h"

namespace fovea {

// The cells of a level around the origin, ratio-major: x1 y1 x2 y2 of each.
std::vector<float> anchor_cells(const AnchorConfig& config, size_t level);

// All anchors of an input of `image` size, [anchors, 4], in the order of LevelView. A level's stride is the image's
// size over its own.
std::vector<float> make_anchors(const AnchorConfig& config, Size2d image, const std::vector<Size2d>& levels);

}  // namespace fovea
