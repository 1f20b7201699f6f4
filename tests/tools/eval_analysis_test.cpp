#include <cmath>
#include <numeric>

#include "tests/support/catch.h"
#include "tests/support/eval_scene.h"
#include "tests/support/test_data.h"
#include "tests/support/tide_oracle.h"
#include "tools/eval/coco_results.h"
#include "tools/eval/report_data.h"

using namespace fovea;

namespace {

// One image, classes 1 "cat" and 2 "dog".
struct OneImage {
  TruthSet truth{.images = {{1, "a.jpg"}}, .categories = {{1, "cat"}, {2, "dog"}}};
  std::vector<Detection> found;

  void object(int64_t category, double x, bool crowd = false, double side = 10) {
    truth.objects.push_back({1, category, x, 0, side, side, side * side, crowd, int64_t(truth.objects.size()) + 1});
  }
  void detection(int64_t category, double x, double score, double side = 10) {
    found.push_back({1, category, x, 0, side, side, score});
  }
  ReportData report() {
    metrics = coco_metrics(truth.categories, truth.objects, found);
    return {truth, found, metrics};
  }
  CocoMetrics metrics;
};

}  // namespace

TEST_CASE("each wrong detection and each missed object has the cause that TIDE gives it", "[eval]") {
  OneImage one;
  one.object(1, 0);
  one.object(2, 100);
  one.object(1, 200);
  one.object(1, 300);
  one.object(2, 400);
  one.detection(1, 0, 0.9);     // right
  one.detection(1, 0.5, 0.8);   // the same cat again
  one.detection(1, 100, 0.7);   // the dog, taken for a cat
  one.detection(1, 206, 0.6);   // the second cat, 4/16 of it
  one.detection(2, 306, 0.5);   // near the third cat, taken for a dog
  one.detection(2, 1000, 0.4);  // nothing there
  one.detection(2, 401, 0.35);  // right
  const ErrorSplit split = one.report().errors;
  CHECK(split.counts == std::array<int64_t, fault_count>{1, 1, 1, 1, 1, 1});  // the third cat is missed
  CHECK(split.class_counts[0] == std::array<int64_t, fault_count>{1, 1, 1, 0, 0, 1});
  CHECK(split.class_counts[1] == std::array<int64_t, fault_count>{0, 0, 0, 1, 1, 0});
  CHECK(split.gains[ClassError] > 0);
  CHECK(split.gains[MissedError] > 0);
}

TEST_CASE("the split of errors agrees with its definition on random scenes", "[eval]") {
  const int seed = GENERATE(range(60, 72));
  CAPTURE(seed);
  test::Scene scene = test::random_scene(seed);
  for (GroundTruth& object : scene.truth) object.id += 1;  // no id of 0
  for (int64_t image : {2, 5, 5}) {                        // nothing comes near these
    scene.truth.push_back({image, scene.categories[image % 3].id, 5000, 0, 20, 20, 400, false, 100 + image});
  }
  const TruthSet truth = scene.set();
  const auto images = judge_images(truth, scene.found, 0.5, 1000);
  const ErrorSplit split = split_errors(images, scene.categories.size(), 0.5);
  auto expected = test::oracle::tide(scene);
  // Means of at most four sums of 101 shares, rounded in other orders.
  const double roundings = 4 * 101 * 0x1p-52;
  CHECK(std::abs(split.ap - expected.ap) <= roundings);
  for (int fault = 0; fault < fault_count; ++fault) {
    CAPTURE(fault_names[fault]);
    CHECK(split.counts[fault] == expected.counts[fault_names[fault]]);
    CHECK(std::abs(split.gains[fault] - expected.gains.at(fault_names[fault])) <= 2 * roundings);
  }
}

TEST_CASE("golden: the split of errors counts what TIDE's own program counts", "[eval][golden]") {
  const auto folder = test::test_data("coco_eval/val2014_fakebbox100");
  const TruthSet truth = read_coco_truth(folder / "gt.json");
  const auto found = read_coco_results(folder / "dt.json", truth);
  const auto images = judge_images(truth, found, 0.5, 100);
  const ErrorSplit split = split_errors(images, truth.categories.size(), 0.5);
  // tidecv 1.0.1: Loc, Cls, Dupe, Bkg, Both, Miss.
  CHECK(split.counts == std::array<int64_t, fault_count>{1, 83, 1, 0, 0, 97});
  const CocoMetrics metrics = coco_metrics(truth.categories, truth.objects, found);
  CHECK(split.ap == Approx(metrics.values[Ap50]).epsilon(1e-13));
}

TEST_CASE("mending all wrong detections, or all misses, brings the rest of AP", "[eval]") {
  OneImage one;
  one.object(1, 0);
  one.object(1, 100);
  one.detection(1, 500, 0.9);  // wrong
  one.detection(1, 0, 0.8);    // right
  const ErrorSplit split = one.report().errors;
  const double half = 51.0 / 101;  // of the recall steps
  CHECK(split.ap == Approx(half / 2));
  CHECK(split.false_positives_gain == Approx(half / 2));  // AP is then 51/101
  CHECK(split.false_negatives_gain == Approx(0.5 - half / 2));
  CHECK(split.gains[BackgroundError] == Approx(half / 2));
}

TEST_CASE("a class that is missed whole is found whole when that is mended", "[eval]") {
  OneImage one;
  one.object(1, 0);
  one.object(2, 100);
  one.detection(1, 0, 0.9);
  const ErrorSplit split = one.report().errors;
  CHECK(split.ap == Approx(0.5));
  CHECK(split.gains[MissedError] == Approx(0.5));
  one.found.clear();
  CHECK(one.report().errors.gains[MissedError] == 1);
}

TEST_CASE("the best score of a class has the highest F1, and equal scores go together", "[eval]") {
  OneImage one;
  one.object(1, 0);
  one.object(1, 100);
  one.object(1, 200);
  one.detection(1, 0, 0.9);
  one.detection(1, 100, 0.6);
  one.detection(1, 500, 0.6);
  one.detection(1, 200, 0.3);
  for (int i = 0; i < 5; ++i) one.detection(1, 600 + 20 * i, 0.3);
  one.detection(2, 0, 0.5);  // a class without objects
  const OperatingPoints points = one.report().points;
  REQUIRE(points.classes[0].known);
  CHECK(points.classes[0].score == 0.6);
  CHECK(points.classes[0].precision == Approx(2.0 / 3));
  CHECK(points.classes[0].recall == Approx(2.0 / 3));
  CHECK(points.classes[0].f1 == Approx(2.0 / 3));
  CHECK_FALSE(points.classes[1].known);
  CHECK(points.score_of(1) == points.overall.score);
}

TEST_CASE("the confusion matrix pairs objects of one class first, counts the background, and spares crowds", "[eval]") {
  OneImage one;
  one.object(1, 0);
  one.object(2, 100);
  one.object(2, 200);
  one.object(1, 500, true, 100);
  one.detection(2, 0, 0.95);    // better placed than the next one, but a dog
  one.detection(1, 1, 0.9);     // the cat
  one.detection(2, 101, 0.85);  // the dog
  one.detection(1, 200, 0.92);  // the other dog, taken for a cat
  one.detection(1, 520, 0.91);  // on the crowd
  const Confusion confusion = one.report().confusion;
  const std::vector<int64_t> expected = {1, 0, 0,  //
                                         1, 1, 0,  //
                                         0, 1, 0};
  CHECK(confusion.counts == expected);
  REQUIRE(confusion.images.size() == 1);
  CHECK(confusion.images[0].errors == 2);
}

TEST_CASE("objects are counted by size, and how many of each size are found", "[eval]") {
  OneImage one;
  one.object(1, 0, false, 7);
  one.object(1, 100, false, 8);
  one.object(1, 300, false, 2000);
  one.object(1, 300, true, 2000);
  one.detection(1, 100, 0.9, 8);
  one.detection(1, 0, 0.2, 7);
  for (int i = 0; i < 9; ++i) one.detection(1, 5000 + 20 * i, 0.5);
  const auto sizes = one.report().sizes;
  REQUIRE(sizes.size() == 3);
  CHECK((sizes[0].low == 0 && sizes[0].objects == 1 && sizes[0].found == 1 && sizes[0].found_taken == 0));
  CHECK((sizes[1].low == 8 && sizes[1].objects == 1 && sizes[1].found == 1 && sizes[1].found_taken == 1));
  CHECK((sizes[2].low == 1024 && sizes[2].objects == 1 && sizes[2].found == 0));
}

TEST_CASE("the worst images are those with most errors, at most twenty, in a fixed order", "[eval]") {
  OneImage one;
  for (int64_t id = 40; id >= 2; --id) one.truth.images.push_back({id, ""});
  for (int64_t id = 1; id <= 40; ++id) {
    for (int i = 0; i < (id == 7 ? 3 : 1); ++i)
      one.truth.objects.push_back({id, 1, 30.0 * i, 0, 10, 10, 100, false, 100 * id + i});
  }
  one.detection(1, 0, 0.9);  // finds what image 1 has
  const auto report = one.report();
  REQUIRE(report.worst.size() == 20);
  CHECK(report.worst[0].boxes->image->id == 7);
  CHECK(report.worst[1].boxes->image->id == 2);
  CHECK(report.worst[19].boxes->image->id == 21);
}
