#include "tools/data/formats/coco_json.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <unordered_set>

#include "engine/printable.h"
#include "tools/text/json_pieces.h"

namespace fovea {
namespace {

using simdjson::ondemand::object;
using Value = JsonInput::Value;

class CocoFileReader {
 public:
  CocoFileReader(const std::filesystem::path& path, CocoUse use)
      : pieces_(path), input_(pieces_.input()), exact_(use == CocoUse::Evaluation) {
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
      if (key == "images") raw_.images.push_back(read_image(entry.get_object()));
      if (key == "categories") raw_.categories.push_back(read_category(entry.get_object()));
      if (key == "annotations") raw_.objects.push_back(read_annotation(entry.get_object()));
    });
    input_.need(images, "images");
    input_.need(categories, "categories");
    input_.need(annotations, "annotations");
    return std::move(raw_);
  }

 private:
  using Ids = std::unordered_set<int64_t>;

  // In training make_dataset() refuses doubled ids of images and categories, and numbers annotations anew.
  int64_t read_id(Value value, Ids& ids) {
    const int64_t id = input_.id(value);
    if (exact_ && !ids.insert(id).second) throw input_.fail(fmt::format("{} is already the id of an earlier one", id));
    return id;
  }

  std::string read_text(Value value) { return exact_ && value.is_null() ? "" : input_.text(value); }

  int read_side(Value value) {
    const int64_t side = input_.id(value);
    if (side < 1 || side > std::numeric_limits<int>::max())
      throw input_.fail(fmt::format("expected a positive size, found {}", side));
    return static_cast<int>(side);
  }

  RawImage read_image(object entry) {
    RawImage image{};
    bool id = false;
    input_.for_each_field(entry, [&](std::string_view key, Value value) {
      if (key == "id") image.id = read_id(value, images_), id = true;
      if (key == "file_name") image.file_name = read_text(value);
      if (exact_) return;
      if (key == "width") image.width = read_side(value);
      if (key == "height") image.height = read_side(value);
    });
    input_.need(id, "id");
    if (exact_) return image;
    input_.need(!image.file_name.empty(), "file_name");
    input_.need(image.width > 0, "width");
    input_.need(image.height > 0, "height");
    return image;
  }

  Category read_category(object entry) {
    Category category{};
    bool id = false;
    input_.for_each_field(entry, [&](std::string_view key, Value value) {
      if (key == "id") category.id = read_id(value, categories_), id = true;
      if (key == "name") category.name = read_text(value);
    });
    input_.need(id, "id");
    if (exact_ && category.name.empty()) category.name = std::to_string(category.id);
    input_.need(!category.name.empty(), "name");
    return category;
  }

  // The list is drained, so that the numbers can be counted.
  void read_bbox(Value value, RawObject& annotation) {
    annotation.bbox.fill(std::numeric_limits<double>::quiet_NaN());
    annotation.bbox_numbers = 0;
    if (!exact_ && value.type() != simdjson::ondemand::json_type::array) return;
    for (Value number : value.get_array()) {
      const double coordinate = input_.number_or_nan(number);
      if (exact_ && !std::isfinite(coordinate)) throw input_.fail("expected four finite numbers");
      if (annotation.bbox_numbers < 4) annotation.bbox[static_cast<size_t>(annotation.bbox_numbers)] = coordinate;
      ++annotation.bbox_numbers;
    }
    if (exact_ && annotation.bbox_numbers != 4)
      throw input_.fail(fmt::format("has {} numbers, expected 4 (x, y, width, height)", annotation.bbox_numbers));
  }

  double read_area(Value value) {
    const double area = input_.number_or_nan(value);
    if (exact_ && !std::isfinite(area)) throw input_.fail("expected a finite number");
    if (!exact_ && !(area >= 0)) throw input_.fail("expected a number, at least 0");
    return area;
  }

  RawObject read_annotation(object entry) {
    RawObject annotation{};
    bool image = false, category = false, bbox = false, crowd = false;
    input_.for_each_field(entry, [&](std::string_view key, Value value) {
      if (key == "id") annotation.id = exact_ ? std::optional(read_id(value, annotations_)) : input_.id_if_any(value);
      if (key == "image_id") annotation.image_id = input_.id(value), image = true;
      if (key == "category_id") annotation.category_id = input_.id(value), category = true;
      if (key == "bbox") read_bbox(value, annotation), bbox = true;
      if (key == "area" && !value.is_null()) annotation.area = read_area(value);
      if (key == "iscrowd") annotation.crowd = input_.flag(value), crowd = true;
    });
    input_.need(!exact_ || annotation.id.has_value(), "id");
    input_.need(image, "image_id");
    input_.need(category, "category_id");
    input_.need(bbox, "bbox");
    raw_.without_crowd += crowd ? 0 : 1;
    return annotation;
  }

  JsonPieces pieces_;
  JsonInput& input_;  // of the pieces
  bool exact_;
  RawDataset raw_;
  Ids images_, categories_, annotations_;
};

}  // namespace

RawDataset read_coco_file(const std::filesystem::path& path, CocoUse use) { return CocoFileReader(path, use).read(); }

}  // namespace fovea
