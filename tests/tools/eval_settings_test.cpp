#include "tools/eval/settings.h"

#include <cmath>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/coco_oracle.h"
#include "tests/support/eval_scene.h"
#include "tests/support/refusal.h"
#include "tools/eval/metrics_text.h"

using namespace fovea;
using Catch::Contains;

namespace {

std::string refusal(const std::vector<std::string>& ious, const std::vector<int>& limits,
                    const std::vector<std::string>& areas) {
  return test::refusal_of([&] { parse_settings(ious, limits, areas); }, ErrorKind::Usage);
}

std::vector<std::string> names(const EvalSettings& settings) {
  std::vector<std::string> names;
  for (const Metric& metric : metrics_of(settings)) names.push_back(metric.name);
  return names;
}

// The mean over classes and thresholds of what the plain definition says; `area` of the settings.
double expected_mean(const test::Scene& scene, const EvalSettings& settings, bool recall, size_t area, int limit) {
  double sum = 0, count = 0;
  for (const Category& category : scene.categories) {
    for (const double threshold : settings.ious) {
      const auto curve =
          test::oracle::coco_curve(scene.truth, scene.found, category.id, threshold, settings.areas[area].low,
                                   settings.areas[area].high, limit, settings.limits.back());
      if (!curve.defined) continue;
      if (recall) sum += curve.recall, count += 1;
      for (size_t r = 0; !recall && r < curve.precision.size(); ++r) sum += curve.precision[r], count += 1;
    }
  }
  return count > 0 ? sum / count : no_ground_truth;
}

}  // namespace

TEST_CASE("without words the settings are COCO's, and a range gives numpy's thresholds", "[eval]") {
  const EvalSettings coco = parse_settings({}, {}, {});
  CHECK(coco.ious == std::vector<double>{0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95});
  CHECK(parse_settings({"0.5:0.95:0.05"}, {}, {}).ious == coco.ious);
  CHECK(names(coco) == std::vector<std::string>{"AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge", "AR1", "AR10",
                                                "AR100", "ARsmall", "ARmedium", "ARlarge"});
}

TEST_CASE("IoUs, limits and areas are taken as given, sorted, each once", "[eval]") {
  const EvalSettings settings = parse_settings({"0.75", "0.3", "0.75"}, {50, 5, 5}, {"tiny=0:400", "rest=400:1e10"});
  CHECK(settings.ious == std::vector<double>{0.3, 0.75});
  CHECK(settings.limits == std::vector<int>{5, 50});
  CHECK(names(settings) ==
        std::vector<std::string>{"AP", "AP75", "APtiny", "APrest", "AR5", "AR50", "ARtiny", "ARrest"});
}

TEST_CASE("fault: settings that make no sense are refused with the word", "[eval][fault]") {
  CHECK_THAT(refusal({"0,5"}, {}, {}), Contains("ious: '0,5'"));
  CHECK_THAT(refusal({"0.5:0.4:0.1"}, {}, {}), Contains("first:last:step"));
  CHECK_THAT(refusal({"0.5:0.9:0"}, {}, {}), Contains("first:last:step"));
  CHECK_THAT(refusal({"0.1:1:1e-9"}, {}, {}), Contains("first:last:step"));
  CHECK_THAT(refusal({"nan"}, {}, {}), Contains("ious: "));
  CHECK_THAT(refusal({"0"}, {}, {}), Contains("above 0"));
  CHECK_THAT(refusal({"1.5"}, {}, {}), Contains("at most 1"));
  CHECK_THAT(refusal({}, {0}, {}), Contains("limits: "));
  for (const char* area : {"small", "small=1", "small=5:1", "=0:1", "all=0:1", "small=0:x", "small=0:1:2"})
    CHECK_THAT(refusal({}, {}, {area}), Contains(std::string("areas: '") + area + "'"));
}

TEST_CASE("metrics of other settings agree with their definition", "[eval]") {
  const int seed = GENERATE(range(20, 26));
  CAPTURE(seed);
  const test::Scene scene = test::random_scene(seed);
  EvalSettings settings = parse_settings({}, {2, 20}, {"tiny=0:400", "middle=400:3000"});
  settings.ious = linspace(0.3, 1, 71);  // more than are judged at once
  const CocoMetrics metrics = coco_metrics(scene.categories, scene.truth, scene.found, settings);
  for (size_t i = 0; i < metrics.metrics.size(); ++i) {
    const Metric& metric = metrics.metrics[i];
    if (metric.iou >= 0) continue;
    CAPTURE(metric.name);
    const double expected = expected_mean(scene, settings, metric.recall, metric.area, metric.limit);
    // Sums of at most 4 · 71 · 101 shares below 1, in other orders.
    CHECK(std::abs(metrics.values[i] - expected) <= 4 * 71 * 101 * 0x1p-53);
  }
}

TEST_CASE("the JSON says what was asked for, and metrics that were not asked for are not in it", "[eval]") {
  const test::Scene scene = test::random_scene(1);
  const EvalSettings settings = parse_settings({"0.6"}, {7}, {"tiny=0:400"});
  const std::string json = metrics_json(coco_metrics(scene.categories, scene.truth, scene.found, settings));
  CHECK_THAT(json,
             Contains(R"("ious": [0.6], "limits": [7])") && Contains(R"({"name": "tiny", "low": 0, "high": 400})"));
  CHECK_THAT(json, Contains("\"AR7\"") && Contains("\"APtiny\"") && !Contains("AP50"));
}
