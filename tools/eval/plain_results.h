// COCO's results as pycocotools takes them, without their ground truth.
#pragma once
#include <filesystem>

#include "tools/eval/boxes.h"

namespace fovea {

// Entries need an image_id, a category_id, a bbox of four finite numbers and a finite score; what else they have does
// not count. Also takes JSON Lines, and an object with the list as read_coco_results() does. Throws ErrorKind::Data,
// naming the entry and the key.
Detections read_plain_results(const std::filesystem::path& path, size_t workers);

}  // namespace fovea
