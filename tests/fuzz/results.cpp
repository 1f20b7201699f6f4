// A COCO results file, and the metrics of what it holds. What the fast reader takes the general one takes as well, with
// the same numbers.
#include <algorithm>
#include <cstdlib>
#include <string>

#include "tests/fuzz/fuzz.h"
#include "tools/eval/coco_metrics.h"
#include "tools/eval/coco_results.h"
#include "tools/eval/plain_results.h"
#include "tools/eval/usual_results.h"
#include "tools/text/file.h"

namespace {

// noexcept: a file that the general reader refuses is a fault here, too.
void compare_readers(const std::filesystem::path& file, std::string_view list) noexcept {
  const auto usual = fovea::read_usual_results(file, 2);
  if (!usual) return;
  const std::filesystem::path other = file.parent_path() / "general.json";
  fovea::write_file(other, "{\"annotations\": " + std::string(list) + "}");
  const auto general = fovea::read_plain_results(other, 2);
  const auto same = [](const fovea::Detection& a, const fovea::Detection& b) {
    return a.image_id == b.image_id && a.category_id == b.category_id && a.x == b.x && a.y == b.y && a.w == b.w &&
           a.h == b.h && a.score == b.score;
  };
  if (!std::equal(usual->begin(), usual->end(), general.begin(), general.end(), same)) std::abort();
}

}  // namespace

FOVEA_FUZZ(bytes) {
  static const fovea::TruthSet truth{
      .images = {{1, "a.jpg"}, {2, "b.jpg"}},
      .categories = {{1, "cat"}, {3, "dog"}},
      .objects = {
          {.image_id = 1, .category_id = 1, .x = 1, .y = 1, .w = 9, .h = 9, .area = 81, .id = 1},
          {.image_id = 2, .category_id = 3, .x = 5, .y = 5, .w = 90, .h = 9, .area = 810, .crowd = true, .id = 2}}};
  return fovea::fuzz::with_file("results.json", bytes, [&](const std::filesystem::path& file) {
    compare_readers(file, fovea::fuzz::text_of(bytes));
    const auto detections = fovea::read_coco_results(file, truth);
    fovea::coco_metrics(truth.categories, truth.objects, detections);
  });
}
