// Datasets in YOLO's format: data.yaml names the classes and, for each split, a folder of images, a list of folders,
// or a text file with a path a line. The labels of images/…/x.jpg are in labels/…/x.txt (beside the image where no
// folder is called images): a line "class cx cy w h" an object, in parts of the image's width and height, or "class x y
// x y x y …", a polygon, of which its box is taken. An image without such a file has no objects.
#pragma once
#include "tools/data/formats/format.h"

namespace fovea {

// `path`: the folder, or the YAML file itself. nullptr: it does not look like one.
std::unique_ptr<DatasetReader> open_yolo(const std::filesystem::path& path, const LoadOptions& options);

}  // namespace fovea
