// What `fovea data check` finds, and how it says it.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/data/dataset.h"

namespace fovea {

struct ClassCount {
  std::string name;
  int64_t boxes = 0, images = 0;
};

struct SplitCheck {
  std::string name;
  std::string refused;  // why the split cannot be loaded; empty: it was
  int64_t images = 0, boxes = 0, crowds = 0, images_without_objects = 0;
  std::map<int64_t, ClassCount> classes;  // by category id
  std::vector<BadImage> missing, unreadable, other_size;
  std::vector<BadImage> misnamed;  // harmless
  int64_t as_stored = 0;           // images whose boxes are of the stored pixels, not of those that Exif turns
  std::vector<std::string> bad_boxes, tiny_boxes, duplicate_boxes, unknown;
  int64_t clipped_boxes = 0, unknown_references = 0;
  std::vector<std::string> warnings;

  int64_t bad_images() const { return static_cast<int64_t>(missing.size() + unreadable.size() + other_size.size()); }
};

struct CheckReport {
  std::string folder, format;
  std::string split_command;  // that splits it
  std::vector<SplitCheck> splits;
  std::vector<std::string> refused;        // what training would end with
  std::vector<std::string> same_content;   // images that are in two splits, or twice in one
  std::vector<std::string> split_classes;  // classes with boxes in one split only, or of two names

  bool is_split() const;
};

std::string text_of(const CheckReport& report);
std::string json_of(const CheckReport& report);

}  // namespace fovea
