// Datasets in COCO format: a JSON file a split, with the lists images, annotations and categories.
#pragma once
#include "tools/data/formats/format.h"

namespace fovea {

// Throws ErrorKind::Data, naming the file and the byte or key, when the JSON is missing, malformed or of wrong types,
// when ids of images or categories are no integers below 2^53, and what make_dataset throws.
Dataset load_coco_file(const std::filesystem::path& json, const std::filesystem::path& image_root,
                       const std::string& split, const LoadOptions& options = {});

// nullptr: the folder does not look like one.
std::unique_ptr<DatasetReader> open_coco(const std::filesystem::path& path, const LoadOptions& options);

}  // namespace fovea
