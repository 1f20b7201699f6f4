#include "tools/eval/truth_set.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "tools/text/json_input.h"

namespace fovea {
namespace {

using simdjson::ondemand::object;
using Value = JsonInput::Value;

class TruthReader {
 public:
  explicit TruthReader(const std::filesystem::path& path) : input_(path) {}

  TruthSet read() {
    bool images = false, categories = false, annotations = false;
    input_.parse([&](simdjson::ondemand::document& document) {
      input_.for_each_field(document.get_object(), [&](std::string_view key, Value value) {
        const auto each = [&](bool& found, auto&& read_entry) {
          found = true;
          input_.for_each(value.get_array(), key, [&](Value entry) { read_entry(entry.get_object()); });
        };
        if (key == "images") each(images, [&](object entry) { read_image(entry); });
        if (key == "categories") each(categories, [&](object entry) { read_category(entry); });
        if (key == "annotations") each(annotations, [&](object entry) { read_annotation(entry); });
      });
    });
    input_.need(images, "images");
    input_.need(categories, "categories");
    input_.need(annotations, "annotations");
    drop_unknown();
    warn(without_area_, "have no area: width x height is taken");
    warn(without_crowd_, "do not say whether they are a crowd: they are taken as objects");
    std::sort(truth_.categories.begin(), truth_.categories.end(), [](auto& a, auto& b) { return a.id < b.id; });
    return std::move(truth_);
  }

 private:
  using Ids = std::unordered_set<int64_t>;

  int64_t new_id(Value value, Ids& ids) {
    const int64_t id = input_.id(value);
    if (!ids.insert(id).second) throw input_.fail(fmt::format("{} is the id of an earlier one", id));
    return id;
  }

  void read_image(object entry) {
    TruthImage image{};
    bool id = false;
    input_.for_each_field(entry, [&](std::string_view key, Value value) {
      if (key == "id") image.id = new_id(value, images_), id = true;
      if (key == "file_name" && !value.is_null()) image.file_name = input_.text(value);
    });
    input_.need(id, "id");
    truth_.images.push_back(std::move(image));
  }

  void read_category(object entry) {
    Category category{};
    bool id = false;
    input_.for_each_field(entry, [&](std::string_view key, Value value) {
      if (key == "id") category.id = new_id(value, categories_), id = true;
      if (key == "name" && !value.is_null()) category.name = input_.text(value);
    });
    input_.need(id, "id");
    if (category.name.empty()) category.name = std::to_string(category.id);
    truth_.categories.push_back(std::move(category));
  }

  void read_box(Value value, GroundTruth& found) {
    double* const coordinates[] = {&found.x, &found.y, &found.w, &found.h};
    size_t count = 0;
    for (Value number : value.get_array()) {
      const double coordinate = input_.number_or_nan(number);
      if (!std::isfinite(coordinate)) throw input_.fail("expected four finite numbers");
      if (count < 4) *coordinates[count] = coordinate;
      ++count;
    }
    if (count != 4) throw input_.fail(fmt::format("has {} numbers, expected 4 (x, y, width, height)", count));
  }

  void read_annotation(object entry) {
    GroundTruth found{};
    bool id = false, image = false, category = false, box = false, area = false, crowd = false;
    input_.for_each_field(entry, [&](std::string_view key, Value value) {
      if (key == "id") found.id = new_id(value, annotations_), id = true;
      if (key == "image_id") found.image_id = input_.id(value), image = true;
      if (key == "category_id") found.category_id = input_.id(value), category = true;
      if (key == "bbox") read_box(value, found), box = true;
      if (key == "area" && !value.is_null()) {
        found.area = input_.number_or_nan(value);
        if (!std::isfinite(found.area)) throw input_.fail("expected a finite number");
        area = true;
      }
      if (key == "iscrowd") found.crowd = input_.flag(value), crowd = true;
    });
    input_.need(id, "id");
    input_.need(image, "image_id");
    input_.need(category, "category_id");
    input_.need(box, "bbox");
    if (!area) found.area = found.w * found.h;
    without_area_ += !area;
    without_crowd_ += !crowd;
    truth_.objects.push_back(found);
  }

  // Annotations of images or categories that are not listed do not take part, as in pycocotools.
  void drop_unknown() {
    const size_t count = truth_.objects.size();
    std::vector<std::string> examples;
    const auto unknown = [&](const GroundTruth& found) {
      const bool image = !images_.contains(found.image_id), category = !categories_.contains(found.category_id);
      if ((image || category) && examples.size() < 10)
        examples.push_back(fmt::format("annotation {}: unknown {} {}", found.id, image ? "image" : "category",
                                       image ? found.image_id : found.category_id));
      return image || category;
    };
    const size_t dropped = std::erase_if(truth_.objects, unknown);
    if (dropped == 0) return;
    const std::string text =
        fmt::format("{} of {} annotations refer to an unknown image or category{}:\n  {}", dropped, count,
                    dropped > examples.size() ? "; the first ten" : "", fmt::join(examples, "\n  "));
    if (static_cast<double>(dropped) > largest_bad_share * static_cast<double>(count))
      throw input_.fail(fmt::format("more than {:g} %: {}", 100 * largest_bad_share, text));
    truth_.warnings.emplace_back(input_.fail("left out: " + text).what());
  }

  void warn(int64_t count, const char* what) {
    if (count > 0) truth_.warnings.emplace_back(input_.fail(fmt::format("{} annotations {}", count, what)).what());
  }

  JsonInput input_;
  TruthSet truth_;
  Ids images_, categories_, annotations_;
  int64_t without_area_ = 0, without_crowd_ = 0;
};

}  // namespace

std::vector<GroundTruth> ground_truth(const Dataset& dataset) {
  std::vector<GroundTruth> objects;
  for (const Sample& sample : dataset.samples) {
    for (const Object& object : sample.objects) {
      const auto [x, y, w, h] = object.bbox;
      objects.push_back(
          {sample.id, dataset.categories[object.label].id, x, y, w, h, object.area, object.crowd, object.id});
    }
  }
  return objects;
}

TruthSet truth_of(const Dataset& dataset) {
  TruthSet truth{.categories = dataset.categories, .objects = ground_truth(dataset), .image_root = dataset.image_root};
  for (const Sample& sample : dataset.samples) truth.images.push_back({sample.id, sample.file_name});
  return truth;
}

TruthSet read_coco_truth(const std::filesystem::path& path) { return TruthReader(path).read(); }

}  // namespace fovea
