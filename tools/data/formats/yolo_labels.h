// The lines of YOLO's label files: boxes, and what else the same files may hold, which only a whole split tells apart.
#pragma once
#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/data/formats/raw_dataset.h"

namespace fovea {

// What data.yaml says that lines hold.
struct YoloTask {
  std::optional<std::array<int, 2>> kpt_shape;  // key points, and numbers of each (2: x y; 3: x y visibility)
  std::string task;                             // detect, segment, obb, pose; empty: not said
};

// Whether the text begins with a line of labels: a whole number and at least four numbers more.
bool looks_like_yolo_labels(std::string_view text);

// The labels of a split. A line is
//   class cx cy w h                  a box, in parts of the image's width and height
//   class cx cy w h track            a box with a track id, where all are whole numbers
//   class cx cy w h x y …, x y v …   a box with key points, of which the box is taken
//   class x y x y x y …              a polygon or an oriented box, of which the bounds are taken
class YoloLabels {
 public:
  YoloLabels(std::string name, YoloTask task) : name_(std::move(name)), task_(std::move(task)) {}

  // Forgets the labels of another split, but for what they turned out to be.
  void begin();
  // Adds an object to `raw` for each line of the file. Throws ErrorKind::Data with file and line, and has then added
  // nothing.
  void add(RawDataset& raw, const RawImage& image, const std::filesystem::path& file);

  // Once all files are read: decides what the lines are, and says it. Throws ErrorKind::Data where that cannot be told,
  // and where they are not in parts of the image's size.
  void finish(RawDataset& raw, const std::string& split);

 private:
  // An object of more than five numbers, whose bbox is so far that of the first four.
  struct Shape {
    size_t object;
    std::array<double, 4> bounds;  // of all pairs, in pixels
    int numbers;
    bool flags;         // each third number after the box is 0, 1 or 2
    bool inside;        // as a polygon it lies in the image, or nearly
    bool like_pose;     // the first four are a box in the image that holds and suits the pairs after it
    bool like_polygon;  // the first two pairs lie where the others do
  };
  enum class Meaning { Polygons, KeyPoints };

  void read(RawDataset& raw, const RawImage& image, const std::filesystem::path& file);
  RawObject object(RawDataset& raw, const RawImage& image, const std::vector<std::string_view>& words, Origin origin);
  void check_count(const std::vector<double>& numbers, std::string_view last, Origin origin, const RawDataset& raw);
  void note_shape(const RawDataset& raw, const RawImage& image, const std::vector<double>& numbers);
  void note_pixels(const std::vector<double>& numbers, Origin origin, const RawDataset& raw, const RawImage& image);
  Meaning meaning(const RawDataset& raw) const;
  Meaning meaning_of_pairs(const RawDataset& raw) const;
  bool can_be(Meaning meaning) const;
  void refuse_pixels(const RawDataset& raw, const std::string& split) const;
  void refuse_counted_from_one(const RawDataset& raw) const;
  void refuse_results(const RawDataset& raw) const;
  void warn_of_corners(RawDataset& raw, const std::string& split) const;

  std::string name_;
  YoloTask task_;
  std::vector<Shape> shapes_;
  struct Counts {
    size_t boxes = 0;                // lines of five numbers
    size_t corners = 0, beyond = 0;  // of these, could be x1 y1 x2 y2; reach beyond their image
    struct {                         // lines of six
      size_t count = 0;
      bool whole = true;
      double largest = 0;
      Origin first;
    } sixth;
    std::vector<std::string> pixel_examples;
    size_t in_pixels = 0, commas = 0;  // lines with commas
    Origin first_comma;
  } counts_;
  std::optional<Meaning> said_;  // by an earlier split
  int said_numbers_ = 0;         // that a line of it had
};

}  // namespace fovea
