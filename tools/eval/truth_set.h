// The ground truth of an evaluation.
#pragma once
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/data/dataset.h"
#include "tools/data/formats/raw_dataset.h"
#include "tools/eval/boxes.h"

namespace fovea {

struct TruthImage {
  int64_t id;
  std::string file_name;      // relative to TruthSet::image_root; empty where the annotations do not say
  int width = 0, height = 0;  // as annotated; 0: not said
};

struct TruthSet {
  std::vector<TruthImage> images;
  std::vector<Category> categories;  // sorted by id
  std::vector<GroundTruth> objects;
  std::unordered_map<std::string, int64_t> image_words, category_words;  // ids that are words in the file
  std::filesystem::path image_root;                                      // empty: the images are not at hand
  std::vector<std::string> warnings;                                     // lines for the user
};

// As a COCO file has it; without an area it has width × height. Its id has been read.
GroundTruth ground_truth(const RawObject& object);
std::vector<GroundTruth> ground_truth(const Dataset& dataset);
TruthSet truth_of(const Dataset& dataset);

// A COCO annotation file as pycocotools takes it: boxes as they stand there, also those beyond their image; no sizes or
// names of images needed. An object without "area" gets width × height, one without "iscrowd" is none, and a warning
// says so (pycocotools ends with a KeyError). Throws ErrorKind::Data with the file and the byte or key where something
// else is missing or makes no sense, ids are doubled, or more than 1 % of the annotations are of no image or category.
TruthSet read_coco_truth(const std::filesystem::path& path);

}  // namespace fovea
