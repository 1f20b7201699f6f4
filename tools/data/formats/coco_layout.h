// Where the files of a dataset in COCO's format lie.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tools/data/formats/folder.h"

namespace fovea {

struct CocoPart {
  std::filesystem::path file;
  std::string subset;  // as the file's name has it, which folders of images may have, too: train2017, default; or ""
};

// The annotation files by split. `path` is the file of a set that is not split, or a folder with one of
//   annotations/*.json                             COCO's own instances_train2017.json; CVAT's and Datumaro's
//                                                  instances_default.json; custom_train.json; else the only one
//   {train,valid,…}/*.json                         beside the images (Roboflow's _annotations.coco.json) or above them
//                                                  (FiftyOne's labels.json); names beside each other as at the top
//   {train,val,…}.json, annotations.json, labels.json, result.json, coco.json; else the only one that looks like COCO's
// Empty where there is none.
std::map<std::string, CocoPart> find_coco_files(const std::filesystem::path& path, PassedOver* passed);

// The folder of the set: `path`, or where that is a file, the one that it lies in, or the one above annotations/.
std::filesystem::path coco_folder(const std::filesystem::path& path);

// Where a part's images may lie, the likeliest first.
std::vector<std::filesystem::path> coco_image_folders(const std::filesystem::path& folder, const CocoPart& part);

// Whether the file begins as an object with one of COCO's lists.
bool looks_like_coco(const std::filesystem::path& file);
// And is not, by its name, for another task (captions_train2017.json) or of several splits (trainval.json).
bool looks_like_coco_split(const std::filesystem::path& file);

}  // namespace fovea
