#include <simdjson.h>

#include <cmath>
#include <set>

#include "tests/support/catch.h"
#include "tests/support/coco_oracle.h"
#include "tests/support/test_data.h"
#include "tools/eval/coco_results.h"

using namespace fovea;
namespace fs = std::filesystem;

namespace {

std::vector<double> stats_of(simdjson::dom::element element) {
  std::vector<double> stats;
  for (const simdjson::dom::element value : element["stats"]) stats.push_back(double(value));
  return stats;
}

void check_close(const std::vector<double>& values, const std::vector<double>& expected, double tolerance) {
  REQUIRE(values.size() == expected.size());
  for (size_t i = 0; i < values.size(); ++i) {
    CAPTURE(i);
    CHECK((values[i] == no_ground_truth) == (expected[i] == no_ground_truth));
    CHECK(std::abs(values[i] - expected[i]) <= tolerance);
  }
}

}  // namespace

TEST_CASE("golden: COCO metrics equal pycocotools' on random datasets, together and of each class",
          "[coco_metrics][golden]") {
  std::set<fs::path> cases;
  for (const auto& entry : fs::directory_iterator(test::test_data("coco_eval/random")))
    if (entry.is_directory()) cases.insert(entry.path());
  REQUIRE(cases.size() == 10);
  for (const fs::path& folder : cases) {
    CAPTURE(folder.filename().string());
    const TruthSet truth = read_coco_truth(folder / "gt.json");
    const auto detections = read_coco_results(folder / "dt.json", truth);
    const CocoMetrics metrics = coco_metrics(truth.categories, truth.objects, detections);
    simdjson::dom::parser parser;
    const simdjson::dom::element expected = parser.load((folder / "expected.json").string());
    check_close(metrics.values, stats_of(expected), 1e-12);
    REQUIRE(expected["per_class"].get_array().size() == metrics.classes.size());
    for (size_t k = 0; k < metrics.classes.size(); ++k) {
      CAPTURE(metrics.classes[k].name);
      CHECK(int64_t(expected["per_class"].at(k)["id"]) == metrics.classes[k].category_id);
      check_close(metrics.classes[k].values, stats_of(expected["per_class"].at(k)), 1e-12);
    }
    // The definition, in float64 and plain: sums of at most 1010 shares a class below 1, in another order.
    const double roundings = 1010.0 * static_cast<double>(truth.categories.size()) * 0x1p-53;
    check_close(metrics.values,
                test::oracle::coco_values(truth.categories, truth.objects, {detections.begin(), detections.end()}),
                roundings);
  }
}
