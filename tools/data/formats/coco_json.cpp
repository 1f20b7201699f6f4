#include "tools/data/formats/coco_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "engine/printable.h"
#include "tools/data/formats/segmentation.h"
#include "tools/text/json_pieces.h"
#include "tools/text/text.h"

namespace fovea {
namespace {

using simdjson::ondemand::object;
using Value = JsonInput::Value;

// Ids that are words, as of one list and what refers to it: they stand for numbers that no id has until all are known.
class WordIds {
 public:
  // Words and numbers do not go together: which number would a word be?
  int64_t read(JsonInput& input, Value value) {
    if (value.type() != simdjson::ondemand::json_type::string) {
      const std::string_view token = value.raw_json_token();
      if (!numbers_.empty())
        throw input.fail(fmt::format("expected a word, as the ids before it are, found {}", excerpt(trimmed(token))));
      has_numbers_ = true;
      return input.id(value);
    }
    const std::string word = input.text(value);
    if (const auto id = parse_id(word)) return *id;
    if (has_numbers_ || trimmed(word).empty())
      throw input.fail(fmt::format("expected an integer below 2^53, found \"{}\"", excerpt(word)));
    const auto placeholder = std::numeric_limits<int64_t>::min() + static_cast<int64_t>(numbers_.size());
    return numbers_.emplace(word, placeholder).first->second;
  }

  // Numbers the words of the list, in its order, behind all that are numbers; returns a line for the user, or none.
  template <class List>
  std::string number(List& list, const std::string& name) {
    if (numbers_.empty()) return "";
    int64_t last = 0;
    for (const auto& entry : list) last = std::max(last, entry.id);
    const int64_t first = last + 1;
    for (auto& entry : list) {
      if (!is_placeholder(entry.id)) continue;
      const auto [found, added] = number_of_.emplace(entry.id, last + 1);
      last += added ? 1 : 0;
      entry.id = found->second;
    }
    std::string example;
    for (auto& [word, number] : numbers_) {
      const auto [found, added] = number_of_.emplace(number, last + 1);  // added: it is not in the list
      last += added ? 1 : 0;
      number = found->second;
      if (number == first) example = word;
    }
    return fmt::format("{}: the ids are words; they are numbered from {} on, in the list's order (\"{}\" is {})", name,
                       first, excerpt(example), first);
  }

  bool any() const { return !numbers_.empty(); }
  int64_t number_of(int64_t id) const { return is_placeholder(id) ? number_of_.at(id) : id; }
  std::unordered_map<std::string, int64_t> take() { return std::move(numbers_); }

 private:
  bool is_placeholder(int64_t id) const {
    return id < std::numeric_limits<int64_t>::min() + static_cast<int64_t>(numbers_.size());
  }

  bool has_numbers_ = false;
  std::unordered_map<std::string, int64_t> numbers_;  // of words
  std::unordered_map<int64_t, int64_t> number_of_;    // of placeholders
};

// What begins the text, which is JSON, at most 40 characters of it.
std::string value_at(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  size_t end = 0;
  for (; end < text.size(); ++end) {
    const char c = text[end];
    if (in_string) {
      end += c == '\\' ? 1 : 0;
      in_string = c != '"';
    } else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
      break;
    } else {
      in_string = c == '"';
      depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    }
  }
  return excerpt(trimmed(text.substr(0, end)));
}

class CocoFileReader {
 public:
  CocoFileReader(const std::filesystem::path& path, CocoUse use)
      : pieces_(path),
        input_(pieces_.input()),
        exact_(use != CocoUse::Training),
        takes_words_(use != CocoUse::IntegerIds) {
    raw_.name = printable(path.native());
    raw_.own_ids = true;
  }

  RawDataset read() {
    bool images = false, categories = false, annotations = false;
    const auto wanted = [&](std::string_view key) {
      bool* const found = key == "images"        ? &images
                          : key == "categories"  ? &categories
                          : key == "annotations" ? &annotations
                                                 : nullptr;
      if (found != nullptr) *found = true;
      return found != nullptr;
    };
    pieces_.for_each_entry(wanted, [&](JsonInput&, const std::string& key, Value entry) {
      if (key == "images") raw_.images.push_back(read_image(input_.object(entry)));
      if (key == "categories") raw_.categories.push_back(read_category(input_.object(entry)));
      if (key == "annotations") raw_.objects.push_back(read_annotation(input_.object(entry)));
    });
    input_.need(images, "images");
    input_.need(categories, "categories");
    input_.need(annotations, "annotations");
    number_words();
    note_texts();
    if (exact_) number_annotations();
    return std::move(raw_);
  }

 private:
  using Ids = std::unordered_set<int64_t>;

  // An evaluation needs to tell them apart; make_dataset() numbers those of a training.
  void number_annotations() {
    int64_t last = 0, missing = 0;
    for (const RawObject& object : raw_.objects) last = std::max(last, object.id.value_or(0));
    for (RawObject& object : raw_.objects)
      if (!object.id) object.id = last + ++missing;
    if (missing > 0)
      raw_.warnings.push_back(
          fmt::format("{}: {} annotations have no id: they are numbered from {} on", raw_.name, missing, last + 1));
  }

  void number_words() {
    for (const std::string& line :
         {image_words_.number(raw_.images, "images"), category_words_.number(raw_.categories, "categories")})
      if (!line.empty()) raw_.warnings.push_back(raw_.name + ": " + line);
    if (image_words_.any() || category_words_.any())
      for (RawObject& object : raw_.objects) {
        object.image_id = image_words_.number_of(object.image_id);
        object.category_id = category_words_.number_of(object.category_id);
      }
    raw_.image_words = image_words_.take();
    raw_.category_words = category_words_.take();
  }

  void note_texts() {
    if (texts_ > 0)
      raw_.warnings.push_back(
          fmt::format("{}: {} numbers of boxes stand in quotes, as text; they are read as numbers", raw_.name, texts_));
    if (odd_areas_ > 0)
      raw_.warnings.push_back(
          fmt::format("{}: {} annotations have an area that is no number{}: width x height is taken; the first: {}",
                      raw_.name, odd_areas_, exact_ ? "" : ", or a negative one", first_odd_area_));
  }

  // Of an id, or of what refers to it. Programs that keep ids as they are do not take "7" for 7.
  int64_t read_number(Value value, WordIds* words) {
    if (!takes_words_ && value.type() == simdjson::ondemand::json_type::string)
      throw input_.fail("expected an integer, found a word");
    return words != nullptr ? words->read(input_, value) : input_.id(value);
  }

  // In training make_dataset() refuses doubled ids of images and categories, and numbers annotations anew.
  int64_t read_id(Value value, Ids& ids, WordIds* words = nullptr) {
    const int64_t id = read_number(value, words);
    if (exact_ && !ids.insert(id).second) throw input_.fail(fmt::format("{} is already the id of an earlier one", id));
    return id;
  }

  std::string read_text(Value value) { return exact_ && value.is_null() ? "" : input_.text(value); }

  // 0 where the file does not say it.
  int read_side(Value value) {
    if (exact_) return static_cast<int>(std::clamp<int64_t>(input_.id_if_any(value).value_or(0), 0, INT32_MAX));
    if (value.is_null()) return 0;
    const int64_t side = input_.id(value);
    if (side < 1 || side > std::numeric_limits<int>::max())
      throw input_.fail(fmt::format("expected a positive size, found {}", side));
    return static_cast<int>(side);
  }

  RawImage read_image(object entry) {
    RawImage image{};
    std::string url;  // LVIS has no file names
    bool id = false;
    input_.for_each_field(entry, [&](std::string_view key, Value value) {
      if (key == "id") image.id = read_id(value, images_, &image_words_), id = true;
      if (key == "file_name" && !value.is_null()) image.file_name = read_text(value);
      if (key == "coco_url" && image.file_name.empty() && value.type() == simdjson::ondemand::json_type::string)
        url = input_.text(value);
      if (key == "width") image.width = read_side(value);
      if (key == "height") image.height = read_side(value);
    });
    input_.need(id, "id");
    if (exact_) return image;
    if (image.file_name.empty()) image.file_name = url;
    input_.need(!image.file_name.empty(), "file_name");
    return image;
  }

  Category read_category(object entry) {
    Category category{};
    bool id = false;
    input_.for_each_field(entry, [&](std::string_view key, Value value) {
      if (key == "id") category.id = read_id(value, categories_, &category_words_), id = true;
      if (key == "name") category.name = read_text(value);
    });
    input_.need(id, "id");
    if (exact_ && category.name.empty()) category.name = std::to_string(category.id);
    input_.need(!category.name.empty(), "name");
    return category;
  }

  // A number, also one that stands there in quotes; NaN for anything else.
  double read_coordinate(Value value) {
    if (!std::string_view(value.raw_json_token()).starts_with('"')) return input_.number_or_nan(value);
    const auto number = parse_number(input_.text(value));
    texts_ += number ? 1 : 0;
    return number.value_or(std::numeric_limits<double>::quiet_NaN());
  }

  // The list is drained, so that the numbers can be counted.
  bool read_bbox(Value value, RawObject& annotation) {
    if (value.is_null()) return !exact_;
    if (!exact_ && value.type() != simdjson::ondemand::json_type::array) return true;
    for (Value number : input_.list(value)) {
      const char* const at = std::string_view(number.raw_json_token()).data();
      const double coordinate = read_coordinate(number);
      if (exact_ && !std::isfinite(coordinate))
        throw input_.fail("expected four finite numbers, found " + value_at(input_.text_from(at)));
      if (annotation.bbox_numbers < 4) annotation.bbox[static_cast<size_t>(annotation.bbox_numbers)] = coordinate;
      ++annotation.bbox_numbers;
    }
    if (exact_ && annotation.bbox_numbers != 4)
      throw input_.fail(fmt::format("has {} numbers, expected 4 (x, y, width, height)", annotation.bbox_numbers));
    return true;
  }

  // `mask` points into JSON that simdjson has passed over.
  bool take_box_of(const char* mask, RawObject& annotation) {
    const auto box = box_of_segmentation(input_.text_from(mask));
    if (!box) return false;
    annotation.bbox = *box;
    annotation.bbox_numbers = 4;
    ++raw_.boxes_of_masks;
    return true;
  }

  // None where width x height is to be taken: where it is no number, as of "12", or negative, but for pycocotools.
  std::optional<double> read_area(Value value) {
    if (value.is_null()) return std::nullopt;
    const char* const at = std::string_view(value.raw_json_token()).data();
    const double area = input_.number_or_nan(value);
    if (std::isfinite(area) && (exact_ || area >= 0)) return area;
    if (odd_areas_++ == 0) first_odd_area_ = fmt::format("{}: {}", input_.place(), value_at(input_.text_from(at)));
    return std::nullopt;
  }

  static bool is_finite(const RawObject& annotation) {
    return std::all_of(annotation.bbox.begin(), annotation.bbox.end(),
                       [](double number) { return std::isfinite(number); });
  }

  RawObject read_annotation(object entry) {
    RawObject annotation{};
    bool image = false, category = false, bbox = false, crowd = false;
    const char *mask = nullptr, *box = nullptr;
    annotation.bbox.fill(std::numeric_limits<double>::quiet_NaN());
    annotation.bbox_numbers = 0;
    input_.for_each_field(entry, [&](std::string_view key, Value value) {
      if (key == "id")
        annotation.id = exact_ && !value.is_null() ? read_id(value, annotations_) : input_.id_if_any(value);
      if (key == "image_id") annotation.image_id = read_number(value, &image_words_), image = true;
      if (key == "category_id") annotation.category_id = read_number(value, &category_words_), category = true;
      if (key == "bbox") box = std::string_view(value.raw_json_token()).data(), bbox = read_bbox(value, annotation);
      if (key == "segmentation") mask = value.raw_json_token().data();
      if (key == "area") annotation.area = read_area(value);
      if (key == "iscrowd") annotation.crowd = input_.flag(value), crowd = true;
    });
    input_.need(image, "image_id");
    input_.need(category, "category_id");
    const bool of_mask = annotation.bbox_numbers == 0 && mask != nullptr && take_box_of(mask, annotation);
    input_.need(bbox || of_mask, "bbox");
    if (box != nullptr && !of_mask && !is_finite(annotation))
      raw_.odd_boxes.emplace(raw_.objects.size(), value_at(input_.text_from(box)));
    raw_.without_crowd += crowd ? 0 : 1;
    return annotation;
  }

  JsonPieces pieces_;
  JsonInput& input_;  // of the pieces
  bool exact_, takes_words_;
  RawDataset raw_;
  Ids images_, categories_, annotations_;
  WordIds image_words_, category_words_;
  int64_t texts_ = 0, odd_areas_ = 0;
  std::string first_odd_area_;
};

}  // namespace

RawDataset read_coco_file(const std::filesystem::path& path, CocoUse use) { return CocoFileReader(path, use).read(); }

}  // namespace fovea
