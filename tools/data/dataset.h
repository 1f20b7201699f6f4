// A dataset as training and evaluation take it, whatever format it was read from: checked, clipped, labels 0, 1, ….
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/data/bad_files.h"

namespace fovea {

struct Category {
  int64_t id;
  std::string name;
};

struct Object {
  float x1, y1, x2, y2;  // pixels, clipped to the image
  int label;             // index into Dataset::categories
  bool crowd;            // a region to ignore: a crowd of COCO's, a difficult object of VOC's
  double area;           // as annotated (of the mask, in COCO); width × height where it is not
  int64_t id;
  std::array<double, 4> bbox;  // as annotated, x y width height: what COCO's metrics take
};

struct Sample {
  int64_t id;
  std::string file_name;  // relative to Dataset::image_root, and below it
  int width, height;
  std::vector<Object> objects;
};

struct BadImage {
  std::string file_name;
  std::string why;  // fit to print
};

// What was found wrong and what was done about it. Nothing is dropped or changed without standing here.
struct LoadReport {
  int64_t annotations = 0, objects = 0, crowds = 0, images_without_objects = 0;
  int64_t clipped_boxes = 0;
  int64_t unknown_references = 0;             // annotations of an image or category that is not listed: dropped
  std::vector<std::string> unknown_examples;  // the first ten
  std::vector<std::string> bad_boxes;         // one line for each annotation dropped because of its box
  std::vector<BadImage> bad_images;  // dropped: formats without sizes need the image's, and it could not be read
  std::vector<std::string> warnings;

  // Lines for the user; empty when all was well.
  std::string text() const;
};

struct Dataset {
  std::string split;
  std::filesystem::path image_root;
  std::vector<Category> categories;  // sorted by id
  std::vector<Sample> samples;       // in the files' order
  LoadReport report;
};

enum class DatasetFormat { Coco, Voc, Csv, Yolo, Kitti, OpenImages, LabelMe, Via };

struct LoadOptions {
  OnBad bad_boxes = OnBad::Skip;
  std::optional<DatasetFormat> format;  // none: found out from what is in the folder
  std::filesystem::path images;         // where the images are; empty: beside the annotations
  bool merge_classes = false;           // categories of one name that all have boxes are one; else they are refused
  bool whole = false;                   // a set that is not split is taken whole, whatever split is asked for
};

// Images of a split: those that loaded and those that could not.
int64_t images_in(const Dataset& dataset);
// Images that could not be read when `dataset` was loaded count like those that cannot be decoded later.
void add_bad_images(BadFiles& files, const Dataset& dataset);

// Which category two splits call by different names under one id; empty where there is none.
std::string category_conflict(const std::string& split_a, const std::vector<Category>& a, const std::string& split_b,
                              const std::vector<Category>& b);

// How many of b's files are a's too, by their paths.
int64_t images_of_both(const Dataset& a, const Dataset& b);

void write_bad_boxes(const std::filesystem::path& path, const LoadReport& report);

}  // namespace fovea
