// Datasets of LabelMe's JSON files, one an image: beside the images, or in a folder of their own, each split in a
// folder or all in one. Rectangles, polygons, circles and masks are boxes around them; what is marked as difficult is a
// region to ignore; points and lines are left out, and counted.
#pragma once
#include "tools/data/formats/format.h"

namespace fovea {

// nullptr: the folder does not look like one.
std::unique_ptr<DatasetReader> open_labelme(const std::filesystem::path& root, const LoadOptions& options);

}  // namespace fovea
