// Where the files of a dataset in Pascal VOC's format lie.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tools/data/formats/folder.h"  // IWYU pragma: export

namespace fovea {

// A folder with annotations, and the one with their images; as strings below the dataset's folder, "" is itself.
struct VocPart {
  std::string annotations, images;
  std::vector<std::string> lists;  // folders that may hold lists of the splits
  std::string split;               // all annotations are of this split; "": see the lists
};

// Annotations/ (annotations, xmls, labels) beside JPEGImages/ (images, img); several years or a VOCdevkit side by side;
// annotations beside their images, in folders of splits or not. Names in any letter case. Empty where there is none.
std::vector<VocPart> find_voc_parts(const std::filesystem::path& folder);

// The lists of a part that are of splits, by split: not VOC's lists of a class, like dog_train.txt. In the first folder
// that has any; else beside the folder of annotations.
std::map<std::string, std::filesystem::path> split_lists(const std::filesystem::path& folder, const VocPart& part);

// The names of the classes in classes.txt or label_list.txt, one a line, or in CVAT's labelmap.txt, in their order;
// empty where there is no such file. Adds warnings. Throws ErrorKind::Data where one is listed twice.
std::vector<std::string> listed_classes(const std::filesystem::path& folder, std::vector<std::string>& warnings);

}  // namespace fovea
