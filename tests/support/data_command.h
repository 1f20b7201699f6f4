// Annotations in COCO format, written by hand.
#pragma once
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "tests/support/checked_run.h"

namespace fovea::test {

inline std::string coco_image(int id, const std::string& name, int width, int height) {
  return fmt::format(R"({{"id": {}, "file_name": "{}", "width": {}, "height": {}}})", id, name, width, height);
}
inline std::string coco_box(int id, int image, int category, const std::string& bbox, const std::string& more = "") {
  return fmt::format(R"({{"id": {}, "image_id": {}, "category_id": {}, "bbox": [{}]{}}})", id, image, category, bbox,
                     more);
}
inline std::string coco(const std::vector<std::string>& images, const std::vector<std::string>& boxes,
                        const std::string& categories = R"({"id": 1, "name": "cat"}, {"id": 2, "name": "dog"})") {
  return fmt::format("{{\"images\": [{}], \"annotations\": [{}], \"categories\": [{}]}}", fmt::join(images, ", "),
                     fmt::join(boxes, ", "), categories);
}

}  // namespace fovea::test
