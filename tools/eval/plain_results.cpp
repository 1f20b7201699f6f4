#include "tools/eval/plain_results.h"

#include <tuple>

#include "tools/eval/usual_results.h"
#include "tools/text/json_list.h"

namespace fovea {
namespace {

Detection read_plain_detection(JsonInput& input, simdjson::ondemand::object entry) {
  Detection detection{};
  bool image = false, category = false, box = false, score = false;
  input.for_each_field(entry, [&](std::string_view key, JsonInput::Value value) {
    if (key == "image_id") detection.image_id = input.id(value), image = true;
    if (key == "category_id") detection.category_id = input.id(value), category = true;
    if (key == "score") detection.score = input.finite_number(value), score = true;
    if (key == "bbox")
      std::tie(detection.x, detection.y, detection.w, detection.h) = input.four_numbers(value), box = true;
  });
  input.need(image, "image_id");
  input.need(category, "category_id");
  input.need(box, "bbox");
  input.need(score, "score");
  return detection;
}

}  // namespace

Detections read_plain_results(const std::filesystem::path& path, size_t workers) {
  if (auto usual = read_usual_results(path, workers)) return std::move(*usual);
  const auto read = read_json_list<Detection>(path, "results", read_plain_detection,
                                              {"annotations", "predictions", "detections", "results"});
  return {read.begin(), read.end()};
}

}  // namespace fovea
