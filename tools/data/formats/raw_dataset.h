// One split of a dataset as its files say it, before anything is checked against anything else: what every reader
// fills, and the one place that makes a Dataset of it.
#pragma once
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>

#include "tools/data/dataset.h"

namespace fovea {

// Where something stands: a file of RawDataset::files (none: the file that the set is named after) and a line of it.
struct Origin {
  int32_t file = -1, line = 0;
};

struct RawImage {
  int64_t id;
  std::string file_name;
  int width, height;
  Origin origin;
};

// std::optional<T> in half the memory, since sets have millions of objects. The lowest number of T stands for none.
template <class T>
class MaybeNumber {
 public:
  MaybeNumber() = default;
  MaybeNumber(std::nullopt_t) {}
  MaybeNumber(T number) : number_(number) {}
  MaybeNumber(std::optional<T> number) : number_(number.value_or(kNone)) {}

  explicit operator bool() const { return number_ != kNone; }
  T operator*() const { return number_; }
  T value_or(T other) const { return *this ? number_ : other; }

 private:
  static constexpr T kNone = std::numeric_limits<T>::lowest();
  T number_ = kNone;
};

struct RawObject {
  MaybeNumber<int64_t> id;  // none where it is missing or no integer below 2^53
  int64_t image_id, category_id;
  std::array<double, 4> bbox;  // x, y, width, height in pixels; NaN for what is no number
  MaybeNumber<double> area;
  bool crowd = false;
  Origin origin;
  int bbox_numbers = 4;  // how many were given
};
static_assert(sizeof(RawObject) == 80);

struct RawDataset {
  std::string name;  // of the file or folder, fit to print
  std::filesystem::path image_root;
  std::vector<std::string> files;  // that origins point into, fit to print
  std::vector<RawImage> images;
  std::vector<Category> categories;
  std::deque<RawObject> objects;                 // whose memory goes as they are taken
  std::map<int64_t, std::string> unknown_names;  // of category ids that stand for names that are not in the list
  std::vector<BadImage> bad_images;
  std::vector<std::string> warnings;
  std::unordered_map<std::string, int64_t> image_words, category_words;  // ids that are words in the file
  std::map<size_t, std::string> odd_boxes;  // what stands where an object's four numbers should, by its index
  bool sides = false;                       // boxes were given as x, y, width, height
  bool own_ids = false;                     // ids were in the file, not counted by the reader
  int64_t boxes_of_masks = 0;               // objects without a box, which got that of their mask
  int64_t without_crowd = 0;                // objects of which the file does not say whether they are a crowd
};

// Throws ErrorKind::Data, naming file and place, when ids of images or categories are doubled, when a file name leaves
// the image folder, when more than 1 % of the annotations refer to what is not there, and when no box is left.
Dataset make_dataset(RawDataset raw, const std::string& split, const LoadOptions& options);

// Coordinates that were divided by a size or added up come back with errors of 1e-13 pixels: rounded to 1e-9, whole
// pixels are whole again.
double snapped(double pixels);
// x, y, width, height of corners.
std::array<double, 4> box_of_corners(double x1, double y1, double x2, double y2);

}  // namespace fovea
