#include "tools/data/formats/coco_json.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "engine/printable.h"
#include "tools/text/json_pieces.h"

namespace fovea {
namespace {

using simdjson::ondemand::object;
using Value = JsonInput::Value;

int image_side(JsonInput& input, Value value) {
  const int64_t side = input.id(value);
  if (side < 1 || side > std::numeric_limits<int>::max())
    throw input.fail(fmt::format("expected a positive size, found {}", side));
  return static_cast<int>(side);
}

// The list is drained, so that the numbers can be counted.
void read_bbox(JsonInput& input, Value value, RawObject& annotation) {
  annotation.bbox.fill(std::numeric_limits<double>::quiet_NaN());
  annotation.bbox_numbers = 0;
  if (value.type() != simdjson::ondemand::json_type::array) return;
  for (Value number : value.get_array()) {
    const double coordinate = input.number_or_nan(number);
    if (annotation.bbox_numbers < 4) annotation.bbox[annotation.bbox_numbers] = coordinate;
    ++annotation.bbox_numbers;
  }
}

double read_area(JsonInput& input, Value value) {
  const double area = input.number_or_nan(value);
  if (!(area >= 0)) throw input.fail("expected a number, at least 0");
  return area;
}

RawImage read_image_entry(JsonInput& input, object entry) {
  RawImage image{};
  bool id = false;
  input.for_each_field(entry, [&](std::string_view key, Value value) {
    if (key == "id") image.id = input.id(value), id = true;
    if (key == "file_name") image.file_name = input.text(value);
    if (key == "width") image.width = image_side(input, value);
    if (key == "height") image.height = image_side(input, value);
  });
  input.need(id, "id");
  input.need(!image.file_name.empty(), "file_name");
  input.need(image.width > 0, "width");
  input.need(image.height > 0, "height");
  return image;
}

Category read_category(JsonInput& input, object entry) {
  Category category{};
  bool id = false;
  input.for_each_field(entry, [&](std::string_view key, Value value) {
    if (key == "id") category.id = input.id(value), id = true;
    if (key == "name") category.name = input.text(value);
  });
  input.need(id, "id");
  input.need(!category.name.empty(), "name");
  return category;
}

RawObject read_annotation(JsonInput& input, object entry) {
  RawObject annotation{};
  bool image = false, category = false, bbox = false;
  input.for_each_field(entry, [&](std::string_view key, Value value) {
    if (key == "id") annotation.id = input.id_if_any(value);
    if (key == "image_id") annotation.image_id = input.id(value), image = true;
    if (key == "category_id") annotation.category_id = input.id(value), category = true;
    if (key == "bbox") read_bbox(input, value, annotation), bbox = true;
    if (key == "area" && !value.is_null()) annotation.area = read_area(input, value);
    if (key == "iscrowd") annotation.crowd = input.flag(value);
  });
  input.need(image, "image_id");
  input.need(category, "category_id");
  input.need(bbox, "bbox");
  return annotation;
}

}  // namespace

RawDataset read_coco_file(const std::filesystem::path& path) {
  JsonPieces pieces(path);
  RawDataset raw;
  raw.name = printable(path.native());
  raw.own_ids = true;
  bool images = false, categories = false, annotations = false;
  const auto wanted = [&](std::string_view key) {
    bool* const found = key == "images"        ? &images
                        : key == "categories"  ? &categories
                        : key == "annotations" ? &annotations
                                               : nullptr;
    if (found != nullptr) *found = true;
    return found != nullptr;
  };
  pieces.for_each_entry(wanted, [&](JsonInput& input, const std::string& key, Value entry) {
    if (key == "images") raw.images.push_back(read_image_entry(input, entry.get_object()));
    if (key == "categories") raw.categories.push_back(read_category(input, entry.get_object()));
    if (key == "annotations") raw.objects.push_back(read_annotation(input, entry.get_object()));
  });
  JsonInput& input = pieces.input();
  input.need(images, "images");
  input.need(categories, "categories");
  input.need(annotations, "annotations");
  return raw;
}

}  // namespace fovea
