// Datasets as OpenImages publishes them: tables of boxes with the heading ImageID,…,LabelName,…,XMin,XMax,YMin,YMax,…
// in parts of the image's size, a table of class names (/m/01g317,Person), and images called after their ids. A box
// that holds a group (IsGroupOf) is a region to ignore.
#pragma once
#include "tools/data/formats/format.h"

namespace fovea {

// nullptr: the folder does not look like one.
std::unique_ptr<DatasetReader> open_open_images(const std::filesystem::path& folder, const LoadOptions& options);

}  // namespace fovea
