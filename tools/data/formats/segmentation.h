// Masks as COCO writes them, of which only the bounding box is wanted.
#pragma once
#include <array>
#include <optional>
#include <string_view>

namespace fovea {

// x, y, width, height of the mask that the JSON value at the beginning of `json` describes: a list of polygons
// [[x, y, x, y, …], …], or run lengths {"size": [height, width], "counts": …} as numbers or in COCO's compressed text.
// None where it is neither, or where nothing is covered.
std::optional<std::array<double, 4>> box_of_segmentation(std::string_view json);

}  // namespace fovea
