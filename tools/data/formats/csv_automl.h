// Google's tables of boxes for AutoML and Vertex AI, which have no heading: lines
// SET,gs://bucket/a.jpg,label,x_min,y_min,,,x_max,y_max,, in parts of the image's size; all four corners may be given.
// SET (TRAIN, VALIDATION, TEST, UNASSIGNED) may be missing; a line without label and corners is an image without
// objects.
#pragma once
#include "tools/data/formats/format.h"

namespace fovea {

// `path`: the folder that holds such files beside the images or above them, or one of the files. nullptr: it holds
// none.
std::unique_ptr<DatasetReader> open_automl_csv(const std::filesystem::path& path, const LoadOptions& options);

}  // namespace fovea
