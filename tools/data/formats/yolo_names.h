// Lists of class names as tools that write YOLO's labels leave them.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "tools/data/dataset.h"

namespace fovea {

bool is_yolo_names_file(const std::string& file_name);

// The lists in the folder, in folders in it, and in the folders of labels and splits in those.
std::vector<std::filesystem::path> find_yolo_names(const std::filesystem::path& root);

// A name a line, numbered from 0; of notes.json the names and ids of its categories. Throws ErrorKind::Data with file
// and line where a name is empty or, unless `doubled` names are wanted, comes twice. Appends to `warnings`.
std::vector<Category> read_yolo_names(const std::filesystem::path& file, bool doubled,
                                      std::vector<std::string>& warnings);

}  // namespace fovea
