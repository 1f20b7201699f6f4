#include "tools/eval/voc_ap.h"

#include <cmath>
#include <map>
#include <set>

#include "tests/support/catch.h"
#include "tests/support/eval_scene.h"
#include "tests/support/threads.h"
#include "tools/eval/coco_metrics.h"

using namespace fovea;

namespace {

GroundTruth object(int64_t id, double x, bool crowd = false) { return {1, 1, x, 0, 10, 10, 100, crowd, id}; }
Detection detection(double x, double score) { return {1, 1, x, 0, 10, 10, score}; }
const std::vector<Category> one_category = {{1, "thing"}};

// The development kit's rules, over all detections of a class at once; AP as the kit's VOCap computes it.
VocAp voc_oracle(const test::Scene& scene, int64_t category) {
  std::vector<GroundTruth> objects;
  for (const auto& g : scene.truth)
    if (g.category_id == category) objects.push_back(g);
  std::vector<Detection> found;
  for (const auto& d : scene.found)
    if (d.category_id == category) found.push_back(d);
  // equal scores: in the order of images, then of the list
  std::stable_sort(found.begin(), found.end(), [](auto& a, auto& b) { return a.image_id < b.image_id; });
  std::stable_sort(found.begin(), found.end(), [](auto& a, auto& b) { return a.score > b.score; });
  double positives = 0;
  for (const auto& g : objects) positives += !g.crowd;
  if (positives == 0) return {no_ground_truth, no_ground_truth};
  std::set<size_t> used;
  std::vector<double> recall = {0}, precision = {0};
  double tp = 0, fp = 0;
  for (const auto& d : found) {
    double most = 0;
    size_t at = 0;
    for (size_t i = 0; i < objects.size(); ++i) {
      const GroundTruth& g = objects[i];
      if (g.image_id != d.image_id) continue;
      const double w = std::min(d.x + d.w, g.x + g.w) - std::max(d.x, g.x);
      const double h = std::min(d.y + d.h, g.y + g.h) - std::max(d.y, g.y);
      if (w <= 0 || h <= 0) continue;
      const double iou = w * h / (d.w * d.h + g.w * g.h - w * h);
      if (iou > most) most = iou, at = i;
    }
    if (most >= 0.5 && objects[at].crowd) continue;
    const bool right = most >= 0.5 && used.insert(at).second;
    (right ? tp : fp) += 1;
    recall.push_back(tp / positives);
    precision.push_back(tp / (tp + fp));
  }
  VocAp ap{0, 0};
  for (int t = 0; t <= 10; ++t) {
    double best = 0;
    for (size_t i = 1; i < recall.size(); ++i)
      if (recall[i] >= t / 10.0) best = std::max(best, precision[i]);
    ap.eleven_points += best / 11;
  }
  recall.push_back(1);
  precision.push_back(0);
  for (size_t i = precision.size() - 1; i-- > 0;) precision[i] = std::max(precision[i], precision[i + 1]);
  for (size_t i = 1; i < recall.size(); ++i)
    if (recall[i] != recall[i - 1]) ap.area += (recall[i] - recall[i - 1]) * precision[i];
  return ap;
}

}  // namespace

TEST_CASE("VOC AP of a case worked out by hand", "[eval]") {
  // right, wrong, right of two objects: precision 1 up to recall 1/2, then 2/3.
  const std::vector<GroundTruth> objects = {object(1, 0), object(2, 100)};
  const std::vector<Detection> found = {detection(0, 0.9), detection(500, 0.8), detection(100, 0.7)};
  const VocMetrics voc = voc_metrics(one_category, objects, found);
  CHECK(voc.mean.area == Approx(0.5 * 1 + 0.5 * 2 / 3).epsilon(1e-12));
  CHECK(voc.mean.eleven_points == Approx((6 * 1 + 5 * 2.0 / 3) / 11).epsilon(1e-12));
}

TEST_CASE("VOC's second detection of an object is wrong, also where another object is free (unlike COCO's)", "[eval]") {
  const std::vector<GroundTruth> objects = {object(1, 0), object(2, 3)};
  const std::vector<Detection> found = {detection(1, 0.9), detection(1, 0.8)};  // both nearer to the first
  const VocMetrics voc = voc_metrics(one_category, objects, found);
  CHECK(voc.mean.area == Approx(0.5).epsilon(1e-12));
  CHECK(coco_metrics(one_category, objects, found).values[Ap50] == Approx(1).epsilon(1e-12));
}

TEST_CASE("VOC does not count detections of difficult objects, nor these", "[eval]") {
  const std::vector<Detection> found = {detection(100, 0.9), detection(0, 0.8)};
  CHECK(voc_metrics(one_category, std::vector{object(1, 0), object(2, 100, true)}, found).mean.area == 1);
  const VocMetrics none = voc_metrics(one_category, std::vector{object(2, 100, true)}, found);
  CHECK((none.mean.area == no_ground_truth && none.classes[0].eleven_points == no_ground_truth));
}

TEST_CASE("determinism: VOC AP agrees with its definition on random scenes, for any number of threads",
          "[eval][determinism]") {
  const int seed = GENERATE(range(40, 48));
  CAPTURE(seed);
  const test::Scene scene = test::random_scene(seed);
  test::check_same_bits_for_any_thread_count([&] {
    const VocMetrics voc = voc_metrics(scene.categories, scene.truth, scene.found);
    std::vector<double> values;
    for (const VocAp& ap : voc.classes) values.insert(values.end(), {ap.eleven_points, ap.area});
    return values;
  });
  const VocMetrics voc = voc_metrics(scene.categories, scene.truth, scene.found);
  for (size_t k = 0; k < scene.categories.size(); ++k) {
    CAPTURE(scene.categories[k].id);
    const VocAp expected = voc_oracle(scene, scene.categories[k].id);
    // Sums of at most 60 products of shares, each of which is rounded twice.
    CHECK(std::abs(voc.classes[k].area - expected.area) <= 4 * 60 * 0x1p-53);
    CHECK(std::abs(voc.classes[k].eleven_points - expected.eleven_points) <= 22 * 0x1p-53);
  }
}
