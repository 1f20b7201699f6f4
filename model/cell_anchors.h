// detectron2's anchors of a location, which some of its files have as tensors.
#pragma once
#include <map>
#include <string>

#include "engine/tensor_file.h"
#include "model/config.h"

namespace fovea {

// Takes the anchors from "anchor_generator.cell_anchors.0" … "4", found through `names` (by bare name, the name in the
// file); false, and nothing changes, where they are not all there. Throws Error(Data) where they are not `anchors`
// boxes around a location, of the same octaves and ratios on every level.
bool take_cell_anchors(const TensorFile& file, const std::map<std::string, std::string>& names, int anchors,
                       ModelConfig& model);

}  // namespace fovea
