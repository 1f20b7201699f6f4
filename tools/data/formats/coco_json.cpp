#include "tools/data/formats/coco_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "engine/printable.h"
#include "tools/data/formats/segmentation.h"
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
      if (key == "images") raw_.images.push_back(read_image(input_.object(entry)));
      if (key == "categories") raw_.categories.push_back(read_category(input_.object(entry)));
      if (key == "annotations") raw_.objects.push_back(read_annotation(input_.object(entry)));
    });
    input_.need(images, "images");
    input_.need(categories, "categories");
    input_.need(annotations, "annotations");
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

  // In training make_dataset() refuses doubled ids of images and categories, and numbers annotations anew.
  int64_t read_id(Value value, Ids& ids) {
    const int64_t id = input_.id(value);
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
      if (key == "id") image.id = read_id(value, images_), id = true;
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
      if (key == "id") category.id = read_id(value, categories_), id = true;
      if (key == "name") category.name = read_text(value);
    });
    input_.need(id, "id");
    if (exact_ && category.name.empty()) category.name = std::to_string(category.id);
    input_.need(!category.name.empty(), "name");
    return category;
  }

  // The list is drained, so that the numbers can be counted.
  bool read_bbox(Value value, RawObject& annotation) {
    if (value.is_null()) return !exact_;
    if (!exact_ && value.type() != simdjson::ondemand::json_type::array) return true;
    for (Value number : input_.list(value)) {
      const double coordinate = input_.number_or_nan(number);
      if (exact_ && !std::isfinite(coordinate)) throw input_.fail("expected four finite numbers");
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

  double read_area(Value value) {
    const double area = input_.number_or_nan(value);
    if (exact_ && !std::isfinite(area)) throw input_.fail("expected a finite number");
    if (!exact_ && !(area >= 0)) throw input_.fail("expected a number, at least 0");
    return area;
  }

  RawObject read_annotation(object entry) {
    RawObject annotation{};
    bool image = false, category = false, bbox = false, crowd = false;
    const char* mask = nullptr;
    annotation.bbox.fill(std::numeric_limits<double>::quiet_NaN());
    annotation.bbox_numbers = 0;
    input_.for_each_field(entry, [&](std::string_view key, Value value) {
      if (key == "id")
        annotation.id = exact_ && !value.is_null() ? read_id(value, annotations_) : input_.id_if_any(value);
      if (key == "image_id") annotation.image_id = input_.id(value), image = true;
      if (key == "category_id") annotation.category_id = input_.id(value), category = true;
      if (key == "bbox") bbox = read_bbox(value, annotation);
      if (key == "segmentation") mask = value.raw_json_token().data();
      if (key == "area" && !value.is_null()) annotation.area = read_area(value);
      if (key == "iscrowd") annotation.crowd = input_.flag(value), crowd = true;
    });
    input_.need(image, "image_id");
    input_.need(category, "category_id");
    const bool of_mask = annotation.bbox_numbers == 0 && mask != nullptr && take_box_of(mask, annotation);
    input_.need(bbox || of_mask, "bbox");
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
