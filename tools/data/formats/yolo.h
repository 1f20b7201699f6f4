// Datasets in YOLO's format: data.yaml names the classes and, for each split, a folder of images, a list of folders,
// or a text file with a path a line; darknet's obj.data does the same with lists; or there are only labels and a list
// of class names (yolo_set.h). The labels of images/…/x.jpg are in labels/…/x.txt, or beside the image (yolo_places.h):
// a line an object (yolo_labels.h). An image without such a file has no objects.
#pragma once
#include "tools/data/formats/format.h"

namespace fovea {

// `path`: the folder, or data.yaml or obj.data itself. nullptr: it does not look like one.
std::unique_ptr<DatasetReader> open_yolo(const std::filesystem::path& path, const LoadOptions& options);

// A line on labels of YOLO's below the folder that no file goes with which names the classes; empty where there are
// none.
std::string yolo_labels_without_names(const std::filesystem::path& folder);

}  // namespace fovea
