#include "tools/data/coco_json.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "tools/data/json_input.h"

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
void read_bbox(JsonInput& input, Value value, CocoAnnotation& annotation) {
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

CocoImage read_image_entry(JsonInput& input, object entry) {
  CocoImage image{};
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

CocoAnnotation read_annotation(JsonInput& input, object entry) {
  CocoAnnotation annotation{};
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

CocoFile read_coco_file(const std::filesystem::path& path) {
  JsonInput input(path);
  CocoFile file;
  bool images = false, categories = false, annotations = false;
  input.parse([&](simdjson::ondemand::document& document) {
    input.for_each_field(document.get_object(), [&](std::string_view key, Value value) {
      const auto read_list = [&](bool& found, auto& list, auto&& read_entry) {
        found = true;
        input.for_each(value.get_array(), key,
                       [&](Value entry) { list.push_back(read_entry(input, entry.get_object())); });
      };
      if (key == "images") read_list(images, file.images, read_image_entry);
      if (key == "categories") read_list(categories, file.categories, read_category);
      if (key == "annotations") read_list(annotations, file.annotations, read_annotation);
    });
  });
  input.need(images, "images");
  input.need(categories, "categories");
  input.need(annotations, "annotations");
  return file;
}

}  // namespace fovea
