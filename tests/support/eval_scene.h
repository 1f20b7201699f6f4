// Random objects and detections in which ties, exact thresholds and doubled boxes abound.
#pragma once
#include <fmt/format.h>

#include <random>
#include <vector>

#include "tools/eval/boxes.h"
#include "tools/eval/truth_set.h"

namespace fovea::test {

struct Scene {
  std::vector<Category> categories;
  std::vector<GroundTruth> truth;
  std::vector<Detection> found;

  TruthSet set() const {
    TruthSet set{.categories = categories, .objects = truth};
    for (int64_t id = 0; id < 10; ++id) set.images.push_back({id, ""});
    return set;
  }
};

// Boxes on a coarse grid and scores of few values.
inline Scene random_scene(int seed) {
  std::mt19937 random(seed);
  const auto pick = [&](int below) { return static_cast<int>(random() % below); };
  Scene scene;
  for (int64_t id : {90, 0, 7, -4}) scene.categories.push_back({id, fmt::format("class {}", id)});
  const double sizes[] = {10, 20, 32, 40, 60, 96, 120, 200};
  for (int i = 0; i < 60; ++i) {
    const double w = sizes[pick(8)], h = sizes[pick(8)];
    const double area = pick(4) ? w * h : w * h * 0.6;
    scene.truth.push_back(
        {pick(8), scene.categories[pick(3)].id, pick(8) * 10.0, pick(8) * 10.0, w, h, area, pick(8) == 0, pick(40)});
  }
  for (int i = 0; i < 400; ++i) {
    const GroundTruth& g = scene.truth[pick(60)];
    Detection d{
        pick(10),       scene.categories[pick(4)].id, pick(8) * 10.0, pick(8) * 10.0, sizes[pick(8)], sizes[pick(8)],
        pick(12) / 11.0};
    if (pick(3))
      d = {g.image_id,    g.category_id, g.x + pick(3) - 1, g.y + pick(3) - 1,
           g.w + pick(3), g.h - pick(3), pick(12) / 11.0};
    scene.found.push_back(d);
  }
  return scene;
}

}  // namespace fovea::test
