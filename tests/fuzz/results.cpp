// A COCO results file, and the metrics of what it holds.
#include "tests/fuzz/fuzz.h"
#include "tools/eval/coco_metrics.h"
#include "tools/eval/coco_results.h"

FOVEA_FUZZ(bytes) {
  static const fovea::TruthSet truth{
      .images = {{1, "a.jpg"}, {2, "b.jpg"}},
      .categories = {{1, "cat"}, {3, "dog"}},
      .objects = {
          {.image_id = 1, .category_id = 1, .x = 1, .y = 1, .w = 9, .h = 9, .area = 81, .id = 1},
          {.image_id = 2, .category_id = 3, .x = 5, .y = 5, .w = 90, .h = 9, .area = 810, .crowd = true, .id = 2}}};
  return fovea::fuzz::with_file("results.json", bytes, [](const std::filesystem::path& file) {
    const auto detections = fovea::read_coco_results(file, truth);
    fovea::coco_metrics(truth.categories, truth.objects, detections);
  });
}
