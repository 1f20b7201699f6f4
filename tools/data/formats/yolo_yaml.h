// The description of a dataset in YOLO's format, data.yaml, as it stands there.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/data/formats/yolo_labels.h"

namespace fovea {

struct YoloYaml {
  std::string path;                                        // the folder that the others start from; may be empty
  std::map<std::string, std::vector<std::string>> splits;  // of train, val, test: folders and lists of images
  std::vector<Category> categories;
  YoloTask task;
  std::vector<std::string> warnings;
};

// Throws ErrorKind::Data with file and line where it is no YAML, or lacks names or, unless `doubled` ones are wanted,
// has them doubled.
YoloYaml read_yolo_yaml(const std::filesystem::path& file, bool doubled = false);

// The YAML file of a folder: data.yaml, else the one file that has `names:`; none where there is none.
std::optional<std::filesystem::path> find_yolo_yaml(const std::filesystem::path& folder);
// All that name classes, in the folder and in those in it.
std::vector<std::filesystem::path> yolo_yamls_below(const std::filesystem::path& folder);

}  // namespace fovea
