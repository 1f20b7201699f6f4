// The lists of a COCO annotation file as they stand there, before anything is checked against anything else.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/data/coco.h"

namespace fovea {

struct CocoImage {
  int64_t id;
  std::string file_name;
  int width, height;
};

struct CocoAnnotation {
  std::optional<int64_t> id;  // none where it is missing or no integer below 2^53
  int64_t image_id, category_id;
  std::array<double, 4> bbox;  // NaN for what is no number
  int bbox_numbers;            // how many were given
  std::optional<double> area;
  bool crowd;
};

struct CocoFile {
  std::vector<CocoImage> images;
  std::vector<Category> categories;
  std::vector<CocoAnnotation> annotations;
};

// Throws ErrorKind::Data with the file and the byte offset or key.
CocoFile read_coco_file(const std::filesystem::path& path);

}  // namespace fovea
