// COCO's results as pycocotools takes them.
#pragma once
#include <filesystem>

#include "tools/eval/boxes.h"
#include "tools/eval/images_by_name.h"

namespace fovea {

// Entries need an image_id and a category_id that are integers (with `images` also "7"), a bbox of four finite numbers
// and a finite score; what else they have does not count. With `images`, an entry that has a file_name goes to the
// image of that name, and a warning says so where its id is another's. Also takes JSON Lines, and an object with the
// list as read_coco_results() does. Throws ErrorKind::Data, naming the entry and the key.
Detections read_plain_results(const std::filesystem::path& path, size_t workers, const ImagesByName* images = nullptr);

}  // namespace fovea
