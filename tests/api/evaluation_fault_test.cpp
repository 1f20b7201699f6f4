// What cannot be evaluated is refused with the name of the argument, or the file and the entry.
#include <fstream>
#include <functional>
#include <limits>

#include "tests/api/evaluation_scene.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;
using Catch::StartsWith;

TEST_CASE("api: files that cannot be evaluated are refused with the entry", "[api][evaluation][fault]") {
  const TemporaryFolder folder;
  const std::string truth = (folder.path() / "gt.json").string(), results = (folder.path() / "dt.json").string();
  std::ofstream(truth) << R"({"images": [{"id": 1}], "categories": [{"id": 1}], "annotations": []})";
  const auto refusal = [&](const std::string& text) {
    std::ofstream(results) << text;
    fovea_evaluation* evaluation = nullptr;
    CHECK(fovea_evaluate_files(truth.c_str(), results.c_str(), nullptr, &evaluation) == FOVEA_ERROR_DATA);
    CHECK(evaluation == nullptr);
    return last_error();
  };
  const std::string good = R"({"image_id": 1, "category_id": 1, "bbox": [1, 2, -3, 4], "score": 0.5})";
  CHECK_THAT(refusal("[" + good + R"(, {"image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}])"),
             Contains("results[1].image_id") && Contains("lists no image 2"));
  CHECK_THAT(refusal("[" + good + R"(, {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3], "score": 0.5}])"),
             Contains("results[1].bbox: has 3 numbers"));
  CHECK_THAT(refusal("[" + good + R"(, {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, NaN], "score": 0.5}])"),
             Contains("results[1].bbox: expected a finite number"));
  CHECK_THAT(refusal("[" + good + R"(, {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}])"),
             Contains("results[1]") && Contains("has no \"score\""));
  CHECK_THAT(refusal("[" + good + ", "), Contains("dt.json"));
  std::ofstream(results) << "[" << good << "]";
  fovea_evaluation* evaluation = nullptr;
  require_ok(fovea_evaluate_files(truth.c_str(), results.c_str(), nullptr, &evaluation));
  const EvaluationHandle own(evaluation);
  std::array<double, 12> summary{};
  require_ok(fovea_evaluation_get_summary(evaluation, summary.data()));
  for (const double value : summary) CHECK(value == -1);
}

TEST_CASE("api: of what kind a file of annotations is, it says itself", "[api][evaluation]") {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "file.json").string();
  const auto are_results = [&](const std::string& text) {
    std::ofstream(path) << text;
    fovea_annotations* made = nullptr;
    require_ok(fovea_annotations_read(path.c_str(), FOVEA_ANNOTATIONS_ANY, 0, &made));
    const AnnotationsHandle annotations(made);
    return fovea_annotations_are_results(made);
  };
  const std::string entry = R"([{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}])";
  CHECK(are_results(entry) == 1);
  CHECK(are_results(" \n" + entry) == 1);
  CHECK(are_results("\xEF\xBB\xBF" + entry) == 1);
  CHECK(are_results(R"({"images": [], "categories": [], "annotations": []})") == 0);
}

TEST_CASE("api: arguments of an evaluation that make no sense are named", "[api][evaluation][fault]") {
  const Scene scene = random_scene(1);
  const double kNan = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();
  struct Case {
    fovea_box_table truth, detections;
    fovea_evaluate_options options = usual_options();
  };
  static const int64_t falling[] = {10, 1}, none[] = {-1};
  static const double nans[] = {0.5, std::numeric_limits<double>::quiet_NaN()};
  std::vector<Detection> no_box = scene.found, no_score = scene.found;
  no_box[3].w = kInfinity;
  no_score[5].score = kNan;
  std::vector<GroundTruth> no_object = scene.truth;
  no_object[2].y = kNan;
  struct Fault {
    const char* message;
    std::function<void(Case&)> change;
    fovea_status status = FOVEA_ERROR_USAGE;
  };
  const std::vector<Fault> wrongs{
      {"truth.size is 0", [](Case& c) { c.truth.size = 0; }},
      {"truth.image_ids is NULL", [](Case& c) { c.truth.image_ids = nullptr; }},
      {"truth.category_ids is NULL", [](Case& c) { c.truth.category_ids = nullptr; }},
      {"truth.boxes is NULL", [](Case& c) { c.truth.boxes = nullptr; }},
      {"truth.boxes[2] is", [&](Case& c) { c.truth = in_c(no_object); }},
      {"detections.count is", [](Case& c) { c.detections.count = SIZE_MAX; }},
      {"detections.scores is NULL", [](Case& c) { c.detections.scores = nullptr; }},
      {"detections.boxes[3] is", [&](Case& c) { c.detections = in_c(no_box); }},
      {"detections.scores[5] is nan", [&](Case& c) { c.detections = in_c(no_score); }},
      {"options.size is 1", [](Case& c) { c.options.size = 1; }},
      {"options.image_ids is NULL", [](Case& c) { c.options.image_count = 1; }},
      {"options.ious has no entries", [](Case& c) { c.options.ious = nans; }},
      {"options.ious[1] is nan", [](Case& c) { c.options.ious = nans, c.options.iou_count = 2; }},
      {"options.recalls[1] is nan", [](Case& c) { c.options.recalls = nans, c.options.recall_count = 2; }},
      {"options.areas[0] is nan", [](Case& c) { c.options.areas = nans, c.options.area_count = 1; }},
      {"options.area_count is", [](Case& c) { c.options.areas = nans, c.options.area_count = SIZE_MAX; }},
      {"options.max_detections[1] is 1",
       [](Case& c) { c.options.max_detections = falling, c.options.max_detection_count = 2; }},
      {"options.max_detections[0] is -1",
       [](Case& c) { c.options.max_detections = none, c.options.max_detection_count = 1; }},
      {"options.threads is -1", [](Case& c) { c.options.threads = -1; }},
  };
  for (const Fault& wrong : wrongs) {
    CAPTURE(wrong.message);
    Case changed{in_c(scene.truth), in_c(scene.found)};
    wrong.change(changed);
    fovea_evaluation* evaluation = nullptr;
    CHECK(fovea_evaluate(&changed.truth, &changed.detections, &changed.options, &evaluation) == wrong.status);
    CHECK_THAT(last_error(), StartsWith(wrong.message));
    CHECK(evaluation == nullptr);
  }
  fovea_evaluation* evaluation = nullptr;
  const fovea_box_table truth = in_c(scene.truth);
  CHECK(fovea_evaluate(nullptr, &truth, nullptr, &evaluation) == FOVEA_ERROR_USAGE);
  CHECK(last_error() == "truth is NULL");
  CHECK(fovea_evaluate(&truth, nullptr, nullptr, &evaluation) == FOVEA_ERROR_USAGE);
  CHECK(last_error() == "detections is NULL");
  CHECK(fovea_evaluate(&truth, &truth, nullptr, nullptr) == FOVEA_ERROR_USAGE);
  CHECK(last_error() == "evaluation is NULL");
  double values[12];
  CHECK(fovea_evaluation_get_summary(nullptr, values) == FOVEA_ERROR_USAGE);
  CHECK(fovea_evaluation_get_class_summary(nullptr, 0, values) == FOVEA_ERROR_USAGE);
  CHECK(last_error() == "evaluation is NULL");
  fovea_annotations* annotations = nullptr;
  CHECK(fovea_annotations_read(nullptr, 0, 0, &annotations) == FOVEA_ERROR_USAGE);
  CHECK(last_error() == "path is NULL");
  CHECK(fovea_annotations_read("x", 3, 0, &annotations) == FOVEA_ERROR_USAGE);
  CHECK_THAT(last_error(), StartsWith("kind is 3"));
  CHECK(fovea_annotations_read("x", 0, -1, &annotations) == FOVEA_ERROR_USAGE);
  CHECK_THAT(last_error(), StartsWith("threads is -1"));
  CHECK(fovea_annotations_read("/none", 0, 0, &annotations) == FOVEA_ERROR_DATA);
  CHECK(fovea_evaluation_free(nullptr) == FOVEA_OK);
  CHECK(fovea_annotations_free(nullptr) == FOVEA_OK);
  fovea_matches_free(nullptr);
}
