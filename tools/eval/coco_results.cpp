#include "tools/eval/coco_results.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <unordered_set>

#include "tools/text/file.h"
#include "tools/text/json_input.h"
#include "tools/text/json_list.h"

namespace fovea {
namespace {

using Value = JsonInput::Value;

double finite_number(JsonInput& input, Value value) {
  const double number = input.number_or_nan(value);
  if (!std::isfinite(number)) throw input.fail("expected a finite number");
  return number;
}

void read_box(JsonInput& input, Value value, Detection& detection) {
  double* const coordinates[] = {&detection.x, &detection.y, &detection.w, &detection.h};
  size_t count = 0;
  for (Value number : input.list(value)) {
    const double coordinate = finite_number(input, number);
    if (count < 4) *coordinates[count] = coordinate;
    ++count;
  }
  if (count != 4) throw input.fail(fmt::format("has {} numbers, expected 4 (x, y, width, height)", count));
  if (detection.w < 0 || detection.h < 0) throw input.fail("has a negative width or height");
}

using Ids = std::unordered_set<int64_t>;

int64_t known_id(JsonInput& input, Value value, const Ids& known, const char* what) {
  const int64_t id = input.id(value);
  if (!known.contains(id)) throw input.fail(fmt::format("the ground truth has no {} {}", what, id));
  return id;
}

Detection read_detection(JsonInput& input, simdjson::ondemand::object entry, const Ids& images, const Ids& categories) {
  Detection detection{};
  bool image = false, category = false, box = false, score = false;
  input.for_each_field(entry, [&](std::string_view key, Value value) {
    if (key == "image_id") detection.image_id = known_id(input, value, images, "image"), image = true;
    if (key == "category_id") detection.category_id = known_id(input, value, categories, "category"), category = true;
    if (key == "bbox") read_box(input, value, detection), box = true;
    if (key == "score") detection.score = finite_number(input, value), score = true;
  });
  input.need(image, "image_id");
  input.need(category, "category_id");
  input.need(box, "bbox");
  input.need(score, "score");
  return detection;
}

}  // namespace

Detection coco_detection(int64_t image_id, int64_t category_id, const Detected& found) {
  return {image_id,   category_id, found.x1, found.y1, double{found.x2} - found.x1, double{found.y2} - found.y1,
          found.score};
}

std::vector<Detection> read_coco_results(const std::filesystem::path& path, const TruthSet& truth) {
  Ids images, categories;
  for (const TruthImage& image : truth.images) images.insert(image.id);
  for (const Category& category : truth.categories) categories.insert(category.id);
  return read_json_list<Detection>(path, "results",
                                   [&](JsonInput& input, simdjson::ondemand::object entry) {
                                     return read_detection(input, entry, images, categories);
                                   },
                                   {"annotations", "predictions", "detections", "results"});
}

void write_coco_results(const std::filesystem::path& path, std::span<const Detection> detections) {
  std::string text = "[";
  for (const Detection& d : detections) {
    fmt::format_to(std::back_inserter(text),
                   "{}\n{{\"image_id\": {}, \"category_id\": {}, \"bbox\": [{}, {}, {}, {}], \"score\": {}}}",
                   text.size() > 1 ? "," : "", d.image_id, d.category_id, d.x, d.y, d.w, d.h, d.score);
  }
  write_file(path, text + "\n]\n");
}

}  // namespace fovea
