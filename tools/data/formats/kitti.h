// Datasets in KITTI's format: a folder of images and beside it one of labels, image_2/ and label_2/ or images/ and
// labels/, as NVIDIA's TAO and DIGITS have it too; in a folder each split, in training/, or with lists ImageSets/*.txt.
// A line is: type, truncated, occluded, alpha, x1 y1 x2 y2 of the box in pixels, and seven numbers on its place in
// space. DontCare is a region to ignore, for each class.
#pragma once
#include "tools/data/formats/format.h"

namespace fovea {

// nullptr: the folder does not look like one.
std::unique_ptr<DatasetReader> open_kitti(const std::filesystem::path& root, const LoadOptions& options);

// Whether the text begins with a line of KITTI's.
bool looks_like_kitti_labels(std::string_view text);

}  // namespace fovea
