// Datasets of the VGG Image Annotator (VIA): a JSON or CSV file of regions, or a project, in the folder of the images
// or in one folder a split. Rectangles, polygons, circles and ellipses are boxes around them; points and lines are left
// out, and counted.
#pragma once
#include "tools/data/formats/format.h"

namespace fovea {

// `path`: the folder, or the file itself. nullptr: it does not look like one.
std::unique_ptr<DatasetReader> open_via(const std::filesystem::path& path, const LoadOptions& options);

}  // namespace fovea
