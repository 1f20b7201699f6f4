#include "tools/data/formats/yolo_labels.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/yolo_line.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace {

constexpr size_t kBox = 5, kTrack = 6, kTriangle = 7;
constexpr double kFar = 1.5;  // beyond it no part of an image's size is meant

Error fail_at(const RawDataset& raw, Origin origin, const std::string& why) {
  return {ErrorKind::Data, fmt::format("{}:{}: {}", raw.files[static_cast<size_t>(origin.file)], origin.line, why)};
}

// Class numbers are sometimes written as 3.0.
std::optional<int64_t> class_number(std::string_view word) {
  if (word.ends_with(".0")) word.remove_suffix(2);
  return parse_integer(word);
}

std::array<double, 4> box_of_center(const std::vector<double>& n, const RawImage& image) {
  return {snapped((n[0] - n[2] / 2) * image.width), snapped((n[1] - n[3] / 2) * image.height),
          snapped(n[2] * image.width), snapped(n[3] * image.height)};
}

// x1, y1, x2, y2 around the pairs from the first'th number on.
std::array<double, 4> around(const std::vector<double>& n, size_t first) {
  std::array<double, 4> c{n[first], n[first + 1], n[first], n[first + 1]};
  for (size_t i = first; i + 1 < n.size(); i += 2)
    c = {std::min(c[0], n[i]), std::min(c[1], n[i + 1]), std::max(c[2], n[i]), std::max(c[3], n[i + 1])};
  return c;
}

std::array<double, 4> bounds_in_pixels(const std::vector<double>& n, const RawImage& image) {
  if (!std::all_of(n.begin(), n.end(), [](double number) { return std::isfinite(number); }))
    return {std::nan(""), 0, 0, 0};
  const auto [x1, y1, x2, y2] = around(n, 0);
  return box_of_corners(snapped(x1 * image.width), snapped(y1 * image.height), snapped(x2 * image.width),
                        snapped(y2 * image.height));
}

bool are_flags(const std::vector<double>& n) {
  if ((n.size() - 4) % 3 != 0) return false;
  for (size_t i = 6; i < n.size(); i += 3)
    if (n[i] != 0 && n[i] != 1 && n[i] != 2) return false;
  return true;
}

// The pairs after the first two lie within the box that the first four numbers would be, and fill a good part of it.
bool suits_box(const std::vector<double>& n, size_t step) {
  constexpr double slack = 0.01, least_part = 0.25;
  const double x1 = n[0] - n[2] / 2, y1 = n[1] - n[3] / 2, x2 = n[0] + n[2] / 2, y2 = n[1] + n[3] / 2;
  if (n[2] <= 0 || n[3] <= 0 || x1 < -slack || y1 < -slack || x2 > 1 + slack || y2 > 1 + slack) return false;
  double left = 2, top = 2, right = -1, bottom = -1;
  for (size_t i = 4; i + 1 < n.size(); i += step) {
    if (n[i] == 0 && n[i + 1] == 0) continue;  // not seen
    left = std::min(left, n[i]), top = std::min(top, n[i + 1]);
    right = std::max(right, n[i]), bottom = std::max(bottom, n[i + 1]);
  }
  if (right < 0) return true;
  const bool holds = left >= x1 - slack && top >= y1 - slack && right <= x2 + slack && bottom <= y2 + slack;
  return holds && (n.size() == 4 + step || std::max((right - left) / n[2], (bottom - top) / n[3]) >= least_part);
}

// The first two pairs lie in the bounds of the others, or within their size of them.
bool suits_polygon(const std::vector<double>& n) {
  const auto [x1, y1, x2, y2] = around(n, 4);
  const double reach = n.size() == 6 ? 1 : std::max(x2 - x1, y2 - y1);
  for (const size_t i : {0, 2})
    if (n[i] < x1 - reach || n[i] > x2 + reach || n[i + 1] < y1 - reach || n[i + 1] > y2 + reach) return false;
  return true;
}

}  // namespace

bool looks_like_yolo_labels(std::string_view text) {
  for (const auto line : lines_of(text)) {
    const auto plain = yolo_line(line);
    if (!plain) return false;
    const auto words = words_of(*plain);
    if (words.empty()) continue;
    return words.size() >= kBox && class_number(words[0]) &&
           std::all_of(words.begin() + 1, words.end(), [](auto word) { return parse_number(word).has_value(); });
  }
  return false;
}

void YoloLabels::begin() {
  shapes_.clear();
  counts_ = {};
}

void YoloLabels::add(RawDataset& raw, const RawImage& image, const std::filesystem::path& file) {
  const Counts counts = counts_;
  const size_t objects = raw.objects.size(), shapes = shapes_.size();
  try {
    read(raw, image, file);
  } catch (...) {
    raw.objects.erase(raw.objects.begin() + static_cast<std::ptrdiff_t>(objects), raw.objects.end());
    shapes_.erase(shapes_.begin() + static_cast<std::ptrdiff_t>(shapes), shapes_.end());
    counts_ = counts;
    throw;
  }
}

void YoloLabels::read(RawDataset& raw, const RawImage& image, const std::filesystem::path& file) {
  raw.files.push_back(printable(file.native()));
  const auto index = static_cast<int32_t>(raw.files.size()) - 1;
  const auto bytes = read_file(file);
  int number = 0;
  for (const auto line : lines_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {
    ++number;
    const auto plain = yolo_line(line);
    if (!plain)
      throw fail_at(raw, {index, number},
                    fmt::format("\"{}\": it cannot be told whether its commas separate numbers or are decimal points: "
                                "write 0 0.5 0.5 0.1 0.1, with spaces and points",
                                excerpt(line)));
    if (*plain != line && counts_.commas++ == 0) counts_.first_comma = {index, number};
    const auto words = words_of(*plain);
    if (!words.empty()) raw.objects.push_back(object(raw, image, words, {index, number}));
  }
}

RawObject YoloLabels::object(RawDataset& raw, const RawImage& image, const std::vector<std::string_view>& words,
                             Origin origin) {
  if (words.size() < kBox) {
    throw fail_at(raw, origin,
                  fmt::format("has {} numbers, expected 5: class, center x, center y, width, height", words.size()));
  }
  const auto label = class_number(words[0]);
  if (!label) throw fail_at(raw, origin, fmt::format("expected a class number, found \"{}\"", excerpt(words[0])));
  std::vector<double> numbers;
  for (size_t i = 1; i < words.size(); ++i) {
    const auto number = parse_number(words[i]);
    if (!number) throw fail_at(raw, origin, fmt::format("expected a number, found \"{}\"", excerpt(words[i])));
    numbers.push_back(*number);
  }
  check_count(numbers, words.back(), origin, raw);
  note_pixels(numbers, origin, raw, image);
  if (words.size() >= kTriangle) note_shape(raw, image, numbers);
  if (words.size() == kBox) {
    constexpr double slack = 0.01;
    const auto& n = numbers;
    const double far = 1 + slack;
    ++counts_.boxes;
    counts_.corners += n[0] >= 0 && n[1] >= 0 && n[2] > n[0] && n[3] > n[1] && n[2] <= far && n[3] <= far;
    counts_.beyond +=
        n[0] + n[2] / 2 > far || n[1] + n[3] / 2 > far || n[0] - n[2] / 2 < -slack || n[1] - n[3] / 2 < -slack;
  }
  return {.id = static_cast<int64_t>(raw.objects.size()) + 1,
          .image_id = image.id,
          .category_id = *label,
          .bbox = box_of_center(numbers, image),
          .area = std::nullopt,
          .crowd = false,
          .origin = origin};
}

// `numbers`: those after the class.
void YoloLabels::check_count(const std::vector<double>& numbers, std::string_view last, Origin origin,
                             const RawDataset& raw) {
  const size_t count = numbers.size() + 1;
  if (count == kBox) return;
  if (task_.kpt_shape) {
    const auto [points, each] = *task_.kpt_shape;
    if (count != kBox + static_cast<size_t>(points) * static_cast<size_t>(each))
      throw fail_at(
          raw, origin,
          fmt::format("has {} numbers, expected 5 + {} × {}, as kpt_shape in {} says", count, points, each, name_));
    return;
  }
  if (count == kTrack) {
    if (counts_.sixth.count++ == 0) counts_.sixth.first = origin;
    counts_.sixth.whole = counts_.sixth.whole && last.find_first_not_of("0123456789") == last.npos;
    counts_.sixth.largest = std::max(counts_.sixth.largest, numbers[5 - 1]);
    return;
  }
  if (count == kTriangle && numbers[4] <= 1 && numbers[5] >= 2 && numbers[5] == std::floor(numbers[5]))
    throw fail_at(raw, origin,
                  "has 7 numbers, expected 5: the last two look like a confidence and a track id, as a detector's "
                  "results have them, not labels");
  if (count % 2 == 0 && !are_flags(numbers))
    throw fail_at(raw, origin,
                  fmt::format("has {} numbers, expected 5: class, center x, center y, width, height; or class and at "
                              "least 3 pairs x y of a polygon",
                              count));
}

void YoloLabels::note_shape(const RawDataset& raw, const RawImage& image, const std::vector<double>& n) {
  const bool flags = are_flags(n), pairs = n.size() % 2 == 0;
  shapes_.push_back({.object = raw.objects.size(),
                     .bounds = bounds_in_pixels(n, image),
                     .numbers = static_cast<int>(n.size()) + 1,
                     .flags = flags,
                     .inside = pairs && std::none_of(n.begin(), n.end(), [](double x) { return x > kFar || x < -0.5; }),
                     .like_pose = suits_box(n, flags ? 3 : 2),
                     .like_polygon = pairs && suits_polygon(n)});
}

void YoloLabels::note_pixels(const std::vector<double>& n, Origin origin, const RawDataset& raw,
                             const RawImage& image) {
  if ((n[0] <= kFar && n[1] <= kFar) || (n[2] <= kFar && n[3] <= kFar)) return;
  if (++counts_.in_pixels > 3) return;
  counts_.pixel_examples.push_back(fmt::format("{}:{}: {:g} {:g} {:g} {:g} in an image of {}×{}",
                                               raw.files[static_cast<size_t>(origin.file)], origin.line, n[0], n[1],
                                               n[2], n[3], image.width, image.height));
}

void YoloLabels::refuse_pixels(const RawDataset& raw, const std::string& split) const {
  constexpr double share = 0.9;
  if (counts_.in_pixels == 0 ||
      static_cast<double>(counts_.in_pixels) < share * static_cast<double>(raw.objects.size()))
    return;
  throw Error(ErrorKind::Data, fmt::format("{}: {}: the numbers of {} of {} labels look like pixels; YOLO's are parts "
                                           "of the image's width and height, from 0 to 1:\n  {}",
                                           name_, split, counts_.in_pixels, raw.objects.size(),
                                           fmt::join(counts_.pixel_examples, "\n  ")));
}

void YoloLabels::refuse_results(const RawDataset& raw) const {
  if (counts_.sixth.count == 0 || (counts_.sixth.whole && counts_.sixth.largest >= 2)) return;
  throw fail_at(raw, counts_.sixth.first,
                "has 6 numbers, expected 5: class, center x, center y, width, height; the last one looks like a "
                "confidence, which results of a detector have (ultralytics writes it with save_conf), not labels");
}

// As for boxes of other formats (box_look.h).
void YoloLabels::warn_of_corners(RawDataset& raw, const std::string& split) const {
  if (counts_.corners < counts_.boxes || counts_.beyond == 0 || counts_.beyond * 10 < counts_.boxes) return;
  raw.warnings.push_back(
      fmt::format("{}: {}: {} of {} boxes reach beyond their image, and as x1, y1, x2, y2 none would: the boxes look "
                  "like x1, y1, x2, y2; expected center x, center y, width, height",
                  name_, split, counts_.beyond, counts_.boxes));
}

// Of lines of an odd count without visibility: pairs after a box, or pairs from the start.
YoloLabels::Meaning YoloLabels::meaning_of_pairs(const RawDataset& raw) const {
  size_t pose = 0, polygon = 0;
  for (const Shape& shape : shapes_) {
    pose += shape.like_pose && !shape.like_polygon;
    polygon += shape.like_polygon && !shape.like_pose;
  }
  const bool quads = shapes_[0].numbers == 9;
  const bool all_pose = std::all_of(shapes_.begin(), shapes_.end(), [](auto& shape) { return shape.like_pose; });
  if (all_pose && pose > 0) return Meaning::KeyPoints;
  if (pose == 0 && (polygon > 0 || quads || !all_pose)) return Meaning::Polygons;
  if (polygon > pose) return Meaning::Polygons;
  throw fail_at(
      raw, raw.objects[shapes_[0].object].origin,
      fmt::format("has {} numbers, and it cannot be told whether they are a box with key points or a polygon: "
                  "add to data.yaml the line \"kpt_shape: [{}, 2]\" or the line \"task: segment\"",
                  shapes_[0].numbers, (shapes_[0].numbers - 5) / 2));
}

YoloLabels::Meaning YoloLabels::meaning(const RawDataset& raw) const {
  if (task_.kpt_shape || task_.task == "pose") return Meaning::KeyPoints;
  if (task_.task == "segment" || task_.task == "obb") return Meaning::Polygons;
  const auto all = [&](auto holds) { return std::all_of(shapes_.begin(), shapes_.end(), holds); };
  // All lines with key points have the same count of numbers.
  const bool same = counts_.boxes == 0 && all([&](auto& shape) { return shape.numbers == shapes_[0].numbers; });
  const auto odd = std::find_if(shapes_.begin(), shapes_.end(), [](auto& shape) { return shape.numbers % 2 == 0; });
  const bool flags = same && all([](auto& shape) { return shape.flags; });
  if (flags && (odd != shapes_.end() || !all([](auto& shape) { return shape.inside; }) ||
                all([](auto& shape) { return shape.like_pose; })))
    return Meaning::KeyPoints;
  if (odd != shapes_.end())
    throw fail_at(
        raw, raw.objects[odd->object].origin,
        fmt::format("has {} numbers, expected 5: class, center x, center y, width, height; where they are key "
                    "points, all lines have as many, and data.yaml says kpt_shape",
                    odd->numbers));
  return same ? meaning_of_pairs(raw) : Meaning::Polygons;
}

bool YoloLabels::can_be(Meaning meaning) const {
  return std::all_of(shapes_.begin(), shapes_.end(), [&](const Shape& shape) {
    return meaning == Meaning::KeyPoints ? shape.numbers == said_numbers_ : shape.numbers % 2 == 1 && shape.inside;
  });
}

// Classes are numbered from 0: where none is 0 and the largest is one too large, they were counted from 1, and all
// names would be those of their neighbors.
void YoloLabels::refuse_counted_from_one(const RawDataset& raw) const {
  const auto count = static_cast<int64_t>(raw.categories.size());
  for (size_t i = 0; i < raw.categories.size(); ++i)
    if (raw.categories[i].id != static_cast<int64_t>(i)) return;
  const RawObject* beyond = nullptr;
  for (const RawObject& object : raw.objects) {
    if (object.category_id < 1 || object.category_id > count) return;
    if (object.category_id == count && beyond == nullptr) beyond = &object;
  }
  if (beyond == nullptr) return;
  throw fail_at(
      raw, beyond->origin,
      fmt::format("has the class {0}, but the {0} names of {1} are those of the classes 0 to {2}, and no label "
                  "has class 0: do these labels count classes from 1? YOLO's count from 0: subtract 1 "
                  "from each, or name class 0",
                  count, name_, count - 1));
}

void YoloLabels::finish(RawDataset& raw, const std::string& split) {
  refuse_counted_from_one(raw);
  refuse_pixels(raw, split);
  if (counts_.commas > 0)
    raw.warnings.push_back(
        fmt::format("{}: {} lines of {} have commas or semicolons, which are read as spaces or as "
                    "decimal points; the first: {}:{}",
                    name_, counts_.commas, split, raw.files[static_cast<size_t>(counts_.first_comma.file)],
                    counts_.first_comma.line));
  refuse_results(raw);
  warn_of_corners(raw, split);
  if (counts_.sixth.count > 0)
    raw.warnings.push_back(
        fmt::format("{}: {} labels of {} have a track id, which is not used", name_, counts_.sixth.count, split));
  if (!shapes_.empty()) {
    const Meaning found = said_ && can_be(*said_) ? *said_ : meaning(raw);
    if (found == Meaning::KeyPoints) {
      raw.warnings.push_back(
          fmt::format("{}: {} labels of {} have key points; only their boxes are used", name_, shapes_.size(), split));
    } else {
      for (const Shape& shape : shapes_) {
        if (!shape.inside && std::isfinite(shape.bounds[0]))
          throw fail_at(raw, raw.objects[shape.object].origin,
                        fmt::format("has {} numbers, which are taken as a polygon, but some lie far outside the image; "
                                    "where they are key points, add kpt_shape to data.yaml",
                                    shape.numbers));
        raw.objects[shape.object].bbox = shape.bounds;
      }
      raw.warnings.push_back(
          fmt::format("{}: {} labels of {} are polygons; their bounding boxes are used", name_, shapes_.size(), split));
    }
    said_ = found;
    said_numbers_ = shapes_[0].numbers;
  }
}

}  // namespace fovea
