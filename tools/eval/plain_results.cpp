#include "tools/eval/plain_results.h"

#include <atomic>
#include <optional>
#include <tuple>

#include "kernels/notice.h"
#include "tools/eval/usual_results.h"
#include "tools/text/json_list.h"

namespace fovea {
namespace {

Detection read_plain_detection(JsonInput& input, simdjson::ondemand::object entry, const ImagesByName* images,
                               std::atomic<int64_t>& moved) {
  Detection detection{};
  std::optional<std::string> name;
  bool image = false, category = false, box = false, score = false;
  input.for_each_field(entry, [&](std::string_view key, JsonInput::Value value) {
    const auto id = [&] {  // alone, as pycocotools keeps it: "7" is not 7
      if (images == nullptr && value.type() == simdjson::ondemand::json_type::string)
        throw input.fail("expected an integer, found a word");
      return input.id(value);
    };
    if (key == "image_id") detection.image_id = id(), image = true;
    if (key == "category_id") detection.category_id = id(), category = true;
    if (key == "score") detection.score = input.finite_number(value), score = true;
    if (key == "file_name" && images != nullptr) name = input.text(value);
    if (key == "bbox")
      std::tie(detection.x, detection.y, detection.w, detection.h) = input.four_numbers(value), box = true;
  });
  input.need(image, "image_id");
  input.need(category, "category_id");
  input.need(box, "bbox");
  input.need(score, "score");
  if (!name) return detection;
  const int64_t found = images->find(input, detection.image_id, result_name(*name));
  moved += found == detection.image_id ? 0 : 1;
  detection.image_id = found;
  return detection;
}

}  // namespace

Detections read_plain_results(const std::filesystem::path& path, size_t workers, const ImagesByName* images) {
  if (auto usual = read_usual_results(path, workers)) return std::move(*usual);  // without names
  std::atomic<int64_t> moved = 0;
  const auto read = read_json_list<Detection>(path, "results",
                                              [&](JsonInput& input, simdjson::ondemand::object entry) {
                                                return read_plain_detection(input, entry, images, moved);
                                              },
                                              {"annotations", "predictions", "detections", "results"});
  if (moved > 0) warn(moved_line(path, moved, read.size()));
  return {read.begin(), read.end()};
}

}  // namespace fovea
