// The program run with a note of what it said, and annotations in COCO format written by hand.
#pragma once
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tests/support/catch.h"
#include "tests/support/process.h"

namespace fovea::test {

inline ProcessResult run(const std::vector<std::string>& arguments, const std::string& script = "") {
  const auto result = run_fovea(arguments, script);
  UNSCOPED_INFO(fmt::format("fovea {}\n{}{}", fmt::join(arguments, " "), result.out, result.err));
  return result;
}

inline void check_runs(const std::vector<std::string>& arguments) { REQUIRE(run(arguments).exit_code == 0); }

inline void check_fails(int exit_code, const std::vector<std::string>& arguments, const std::string& words) {
  const auto result = run(arguments);
  CHECK(result.exit_code == exit_code);
  CHECK_THAT(result.err, Catch::Contains(words));
}

inline std::string coco_image(int id, const std::string& name, int width, int height) {
  return fmt::format(R"({{"id": {}, "file_name": "{}", "width": {}, "height": {}}})", id, name, width, height);
}
inline std::string coco_box(int id, int image, int category, const std::string& bbox, const std::string& more = "") {
  return fmt::format(R"({{"id": {}, "image_id": {}, "category_id": {}, "bbox": [{}]{}}})", id, image, category, bbox,
                     more);
}
inline std::string coco(const std::vector<std::string>& images, const std::vector<std::string>& boxes,
                        const std::string& categories = R"({"id": 1, "name": "cat"}, {"id": 2, "name": "dog"})") {
  return fmt::format("{{\"images\": [{}], \"annotations\": [{}], \"categories\": [{}]}}", fmt::join(images, ", "),
                     fmt::join(boxes, ", "), categories);
}

}  // namespace fovea::test
