// What describes a dataset in YOLO's format: data.yaml, darknet's obj.data, or nothing but a list of class names.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/data/formats/yolo_labels.h"

namespace fovea {

struct YoloSet {
  std::string name;                                        // of the file that describes it, fit to print
  std::filesystem::path folder;                            // of that file
  std::filesystem::path root;                              // that paths start from, and that holds all images
  std::map<std::string, std::vector<std::string>> splits;  // folders of images and lists of them
  std::vector<Category> categories;
  YoloTask task;
  std::vector<std::string> warnings;
};

// `doubled`: names of classes may come twice.
YoloSet set_of_yaml(const std::filesystem::path& file, bool doubled);

// darknet's obj.data, as CVAT's "YOLO 1.1" has it too: lines "train = data/train.txt" and "names = data/obj.names".
// Paths start from `root`; of those that are not there the last parts are looked for.
YoloSet set_of_darknet(const std::filesystem::path& file, const std::filesystem::path& root, bool doubled);
// The file of that kind in the folder, or in its data/ or cfg/; none where there is none, or several.
std::optional<std::filesystem::path> find_darknet(const std::filesystem::path& folder);

// A folder with label files and the names of classes alone (classes.txt, obj.names, Label Studio's notes.json …), as
// LabelImg, Label Studio and makesense.ai write it; split where lists or folders have names of splits. None where there
// are no names, or no labels.
std::optional<YoloSet> set_of_names(const std::filesystem::path& root, bool doubled);

// The first file of YOLO's labels below the folder, as a path from there; empty where there is none.
std::string first_yolo_labels(const std::filesystem::path& folder);

}  // namespace fovea
