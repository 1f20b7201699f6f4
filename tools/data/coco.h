// A data set in COCO form: DIR/annotations/instances_{train,val}.json, pictures under DIR/train and DIR/val.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
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
  bool crowd;            // a region to ignore
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

// What was found wrong and what was done about it. Nothing is dropped or changed without standing here.
struct LoadReport {
  int64_t annotations = 0, objects = 0, crowds = 0, images_without_objects = 0;
  int64_t clipped_boxes = 0;
  int64_t unknown_references = 0;             // annotations of an image or category that is not listed: dropped
  std::vector<std::string> unknown_examples;  // the first ten
  std::vector<std::string> bad_boxes;         // one line for each annotation dropped because of its box
  std::vector<std::string> warnings;

  // Lines for the user; empty when all was well.
  std::string text() const;
};

struct Dataset {
  std::string split;
  std::filesystem::path image_root;
  std::vector<Category> categories;  // sorted by id
  std::vector<Sample> samples;       // in the file's order
  LoadReport report;
};

struct LoadOptions {
  OnBad bad_boxes = OnBad::Skip;
};

// Throws ErrorKind::Data, naming the file and the byte or key, when the JSON is missing, malformed or of wrong types,
// when ids of images or categories are doubled or no integers below 2^53, when a file name leaves the image folder,
// when more than 1 % of the annotations refer to what is not there, and when no box is left.
Dataset load_coco(const std::filesystem::path& folder, const std::string& split, const LoadOptions& options = {});
Dataset load_coco_file(const std::filesystem::path& json, const std::filesystem::path& image_root,
                       const std::string& split, const LoadOptions& options = {});

void write_bad_boxes(const std::filesystem::path& path, const LoadReport& report);

}  // namespace fovea
