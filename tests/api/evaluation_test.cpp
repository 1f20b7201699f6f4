// Evaluation through the C API: pycocotools' arrays, from tables of any layout and from files.
#include <fovea/fovea.h>

#include <fmt/format.h>

#include <cstring>
#include <fstream>
#include <thread>

#include "tests/api/evaluation_scene.h"
#include "tests/support/coco_oracle.h"
#include "tests/support/test_data.h"
#include "tools/eval/coco_results.h"
#include "tools/eval/truth_set.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

struct Arrays {
  std::span<const double> precision, recall, scores;
  std::array<size_t, 5> shape;
};

Arrays arrays_of(const EvaluationHandle& evaluation) {
  const double *precision = nullptr, *recall = nullptr, *scores = nullptr;
  Arrays arrays{};
  std::array<size_t, 5> recall_shape{};
  require_ok(fovea_evaluation_get_array(evaluation.get(), FOVEA_EVALUATION_PRECISION, &precision, arrays.shape.data()));
  require_ok(fovea_evaluation_get_array(evaluation.get(), FOVEA_EVALUATION_SCORES, &scores, nullptr));
  require_ok(fovea_evaluation_get_array(evaluation.get(), FOVEA_EVALUATION_RECALL, &recall, recall_shape.data()));
  const auto [t, r, k, a, m] = arrays.shape;
  REQUIRE(recall_shape == std::array{t, k, a, m, size_t{1}});
  arrays.precision = {precision, t * r * k * a * m};
  arrays.scores = {scores, t * r * k * a * m};
  arrays.recall = {recall, t * k * a * m};
  return arrays;
}

// Every value anew from its definition, which rounds as pycocotools does: equal to the last bit.
void check_arrays(const Arrays& arrays, const Scene& scene, const std::vector<int64_t>& categories,
                  const std::vector<double>& ious, const std::vector<std::array<double, 2>>& areas,
                  const std::vector<size_t>& limits, const std::vector<double>& recalls) {
  const auto [t_count, r_count, k_count, a_count, m_count] = arrays.shape;
  REQUIRE(arrays.shape == std::array{ious.size(), recalls.size(), categories.size(), areas.size(), limits.size()});
  size_t different = 0;
  for (size_t t = 0; t < t_count; ++t)
    for (size_t k = 0; k < k_count; ++k)
      for (size_t a = 0; a < a_count; ++a)
        for (size_t m = 0; m < m_count; ++m) {
          const auto curve = oracle::coco_curve(scene.truth, scene.found, categories[k], ious[t], areas[a][0],
                                                areas[a][1], limits[m], limits.back(), recalls);
          const double recall = curve.defined ? curve.recall : -1;
          different += arrays.recall[((t * k_count + k) * a_count + a) * m_count + m] != recall;
          for (size_t r = 0; r < r_count; ++r) {
            const size_t at = (((t * r_count + r) * k_count + k) * a_count + a) * m_count + m;
            different += arrays.precision[at] != (curve.defined ? curve.precision[r] : -1);
            different += arrays.scores[at] != (curve.defined ? curve.scores[r] : -1);
          }
        }
  CHECK(different == 0);
}

const std::vector<std::array<double, 2>> kCocoAreas = {{0, 1e10}, {0, 1024}, {1024, 9216}, {9216, 1e10}};

std::vector<int64_t> sorted_ids(const Scene& scene) {
  std::vector<int64_t> ids;
  for (const Category& category : scene.categories) ids.push_back(category.id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace

TEST_CASE("api: the evaluation's arrays equal pycocotools' definition to the last bit", "[api][evaluation]") {
  const Scene scene = random_scene(GENERATE(range(40, 44)));
  fovea_evaluate_options options = usual_options();
  options.keep_tables = GENERATE(0, 1);  // 1: arrays are made when they are asked for
  const std::vector<int64_t> ids = sorted_ids(scene);
  options.category_ids = ids.data();
  options.category_count = ids.size();
  const EvaluationHandle evaluation = evaluate_scene(scene, &options);
  const std::vector<double> ious = {0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95};
  check_arrays(arrays_of(evaluation), scene, ids, ious, kCocoAreas, {1, 10, 100}, oracle::coco_recalls());
  // Sums of at most 4 · 1010 shares below 1, in other orders.
  double summary[12];
  require_ok(fovea_evaluation_get_summary(evaluation.get(), summary));
  const auto expected = oracle::coco_values(scene.categories, scene.truth, scene.found);
  for (size_t i = 0; i < 12; ++i) CHECK(std::abs(summary[i] - expected[i]) <= 4040 * 0x1p-53);
  for (size_t k = 0; k < ids.size(); ++k) {
    require_ok(fovea_evaluation_get_class_summary(evaluation.get(), k, summary));
    const auto of_class = oracle::coco_values({{ids[k], ""}}, scene.truth, scene.found);
    for (size_t i = 0; i < 12; ++i) CHECK(std::abs(summary[i] - of_class[i]) <= 1010 * 0x1p-53);
  }
  CHECK(fovea_evaluation_get_class_summary(evaluation.get(), ids.size(), summary) == FOVEA_ERROR_USAGE);
  CHECK_THAT(last_error(), StartsWith("category is "));
}

TEST_CASE("api: a summary and arrays made later are those made at once, at any limits", "[api][evaluation]") {
  const Scene scene = random_scene(45);
  const std::vector<int64_t> limits = GENERATE(values<std::vector<int64_t>>(
      {{1, 10, 100}, {100}, {2, 5}, {1, 100, 300}, {1, 2, 3, 100}, {1, 10, 100, 300}, {100, 100}}));
  fovea_evaluate_options options = usual_options();
  options.max_detections = limits.data();
  options.max_detection_count = limits.size();
  const EvaluationHandle at_once = evaluate_scene(scene, &options);
  options.keep_tables = 1;
  const EvaluationHandle later = evaluate_scene(scene, &options);
  std::array<double, 12> summary, own_summary;
  require_ok(fovea_evaluation_get_summary(at_once.get(), summary.data()));
  require_ok(fovea_evaluation_get_summary(later.get(), own_summary.data()));
  CHECK(own_summary == summary);
  // Whoever comes first makes them, and all get the same.
  std::array<const double*, 4> precision{};
  {
    std::vector<std::jthread> threads;
    for (const double*& own : precision)
      threads.emplace_back([&own, &later] {
        if (fovea_evaluation_get_array(later.get(), FOVEA_EVALUATION_PRECISION, &own, nullptr) != FOVEA_OK)
          own = nullptr;
      });
  }
  REQUIRE(precision[0] != nullptr);
  for (const double* own : precision) CHECK(own == precision[0]);
  const Arrays expected = arrays_of(at_once), arrays = arrays_of(later);
  CHECK(arrays.shape == expected.shape);
  for (const auto& [a, b] : {std::pair(arrays.precision, expected.precision),
                             {arrays.recall, expected.recall},
                             {arrays.scores, expected.scores}}) {
    REQUIRE(a.size() == b.size());
    CHECK(std::memcmp(a.data(), b.data(), b.size_bytes()) == 0);
  }
  require_ok(fovea_evaluation_get_summary(later.get(), own_summary.data()));
  CHECK(own_summary == summary);
}

TEST_CASE("api: an evaluation of other settings, images and categories", "[api][evaluation]") {
  Scene scene = random_scene(GENERATE(50, 51));
  const std::vector<double> ious = [] {
    std::vector<double> list;
    for (int i = 0; i < 40; ++i) list.push_back(0.02 * (40 - i));  // more than are judged at once, falling
    return list;
  }();
  const std::vector<double> recalls = {0, 0.1, 1.0 / 3, 0.5, 0.7, 1};
  std::vector<std::array<double, 2>> areas;
  for (int a = 0; a < 20; ++a) areas.push_back({a * 300.0, a * 900.0});  // likewise
  const std::vector<int64_t> images = {7, 2, 2, 5, 400}, categories = {90, -4, 12345, 0}, limits = {2, 3, 30};
  fovea_evaluate_options options = usual_options();
  options.ious = ious.data();
  options.iou_count = ious.size();
  options.recalls = recalls.data();
  options.recall_count = recalls.size();
  options.areas = areas[0].data();
  options.area_count = areas.size();
  options.image_ids = images.data();
  options.image_count = images.size();
  options.category_ids = categories.data();
  options.category_count = categories.size();
  options.max_detections = limits.data();
  options.max_detection_count = limits.size();
  options.threads = 3;
  const EvaluationHandle evaluation = evaluate_scene(scene, &options);
  const auto is_other = [&](const auto& box) {
    return std::find(images.begin(), images.end(), box.image_id) == images.end();
  };
  std::erase_if(scene.truth, is_other);
  std::erase_if(scene.found, is_other);
  check_arrays(arrays_of(evaluation), scene, {-4, 0, 90, 12345}, ious, areas, {2, 3, 30}, recalls);
  const int64_t* ids = nullptr;
  size_t count = 0;
  require_ok(fovea_evaluation_get_images(evaluation.get(), &ids, &count));
  CHECK(std::vector(ids, ids + count) == std::vector<int64_t>{2, 5, 7, 400});
}

TEST_CASE("api: as one category, boxes stand in the order of the categories given", "[api][evaluation]") {
  Scene scene = random_scene(GENERATE(60, 61));
  const std::vector<int64_t> categories = {7, 90, -4};
  fovea_evaluate_options options = usual_options();
  options.category_ids = categories.data();
  options.category_count = categories.size();
  options.one_category = 1;
  const EvaluationHandle evaluation = evaluate_scene(scene, &options);
  const auto as_one = [&](auto& boxes) {
    const auto place = [&](const auto& box) {
      return std::find(categories.begin(), categories.end(), box.category_id) - categories.begin();
    };
    std::erase_if(boxes, [&](const auto& box) { return place(box) == 3; });
    std::stable_sort(boxes.begin(), boxes.end(), [&](auto& a, auto& b) { return place(a) < place(b); });
    for (auto& box : boxes) box.category_id = 1;
  };
  as_one(scene.truth);
  as_one(scene.found);
  const std::vector<double> ious = {0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95};
  check_arrays(arrays_of(evaluation), scene, {1}, ious, kCocoAreas, {1, 10, 100}, oracle::coco_recalls());
}

TEST_CASE("api: contiguous columns and rows give the same bits, with any number of threads",
          "[api][evaluation][determinism]") {
  const Scene scene = random_scene(70);
  std::vector<int64_t> images, categories, ids;
  std::vector<double> boxes, areas;
  std::vector<uint8_t> crowds;
  for (const GroundTruth& g : scene.truth) {
    images.push_back(g.image_id), categories.push_back(g.category_id), ids.push_back(g.id);
    boxes.insert(boxes.end(), {g.x, g.y, g.w, g.h});
    areas.push_back(g.area), crowds.push_back(g.crowd ? 1 : 0);
  }
  std::vector<Detection> backwards(scene.found.rbegin(), scene.found.rend());
  fovea_box_table truth, found = in_c(backwards);
  fovea_box_table_init(&truth);
  truth.count = images.size();
  truth.image_ids = images.data();
  truth.category_ids = categories.data();
  truth.boxes = boxes.data();
  truth.areas = areas.data();
  truth.crowds = crowds.data();
  truth.ids = ids.data();
  const Detection& last = backwards.back();  // and so a negative stride leads to the first
  found.image_ids = &last.image_id;
  found.category_ids = &last.category_id;
  found.boxes = &last.x;
  found.scores = &last.score;
  for (ptrdiff_t* stride : {&found.image_stride, &found.category_stride, &found.box_stride, &found.score_stride})
    *stride = -*stride;
  const EvaluationHandle rows = evaluate_scene(scene, nullptr);
  const Arrays expected = arrays_of(rows);
  for (const int threads : {1, 2, 5}) {
    fovea_evaluate_options options = usual_options();
    options.threads = threads;
    fovea_evaluation* made = nullptr;
    require_ok(fovea_evaluate(&truth, &found, &options, &made));
    const EvaluationHandle columns(made);
    const Arrays own = arrays_of(columns);
    CHECK(own.shape == expected.shape);
    for (const auto& [a, b] :
         {std::pair(own.precision, expected.precision), {own.recall, expected.recall}, {own.scores, expected.scores}})
      CHECK(std::memcmp(a.data(), b.data(), b.size_bytes()) == 0);
  }
}

TEST_CASE("api: matches are those of the definition", "[api][evaluation]") {
  // Two objects and a crowd; the third detection lies on the first object, which is taken; the last fits nothing.
  const std::vector<GroundTruth> truth{
      {1, 1, 0, 0, 10, 10, 100, false, 5}, {1, 1, 100, 0, 10, 10, 100, true, 6}, {1, 1, 50, 0, 10, 10, 5000, false, 7}};
  const std::vector<Detection> found{{1, 1, 101, 1, 5, 5, 0.2},
                                     {1, 1, 0, 0, 10, 9, 0.9},
                                     {1, 1, 0, 0, 10, 10, 0.8},
                                     {1, 1, 50, 0, 10, 10, 0.7},
                                     {1, 1, 300, 0, 5, 5, 0.1}};
  const fovea_box_table objects = in_c(truth), detections = in_c(found);
  fovea_evaluate_options options = usual_options();
  const double ious[] = {0.5, 0.95};
  options.ious = ious;
  options.iou_count = 2;
  fovea_evaluation* made = nullptr;
  require_ok(fovea_evaluate(&objects, &detections, &options, &made));
  const fovea_matches* matches = nullptr;
  CHECK(fovea_evaluation_get_matches(made, 0, 0, 0, &matches) == FOVEA_ERROR_USAGE);
  CHECK_THAT(last_error(), Contains("options.keep_tables"));
  fovea_evaluation_free(made);
  options.keep_tables = 1;
  require_ok(fovea_evaluate(&objects, &detections, &options, &made));
  const EvaluationHandle evaluation(made);
  require_ok(fovea_evaluation_get_matches(made, 0, 1, 0, &matches));  // small: the third object does not count
  const MatchesHandle own(matches);
  using Ids = std::vector<int64_t>;
  using Flags = std::vector<uint8_t>;
  REQUIRE(matches->ious == 2);
  REQUIRE(matches->detection_count == 5);
  REQUIRE(matches->object_count == 3);
  CHECK(Ids(matches->detections, matches->detections + 5) == Ids{1, 2, 3, 0, 4});
  CHECK(std::vector(matches->scores, matches->scores + 5) == std::vector{0.9, 0.8, 0.7, 0.2, 0.1});
  CHECK(Ids(matches->objects, matches->objects + 3) == Ids{0, 1, 2});
  CHECK(Flags(matches->object_ignored, matches->object_ignored + 3) == Flags{0, 1, 1});
  CHECK(Ids(matches->object_of, matches->object_of + 10) == Ids{0, -1, 2, 1, -1, -1, 0, 2, 1, -1});
  CHECK(Ids(matches->detection_of, matches->detection_of + 6) == Ids{1, 0, 3, 2, 0, 3});
  CHECK(Flags(matches->detection_ignored, matches->detection_ignored + 10) == Flags{0, 0, 1, 1, 0, 0, 0, 1, 1, 0});
  for (const auto& [name, index] : {std::pair("category", 0), {"area", 1}, {"image", 2}}) {
    CHECK(fovea_evaluation_get_matches(made, index == 0 ? 1 : 0, index == 1 ? 4 : 0, index == 2 ? 1 : 0, &matches) ==
          FOVEA_ERROR_USAGE);
    CHECK_THAT(last_error(), StartsWith(name));
  }
}

TEST_CASE("api: results with a file_name go to the image of that name", "[api][evaluation]") {
  const TemporaryFolder folder;
  const std::string truth = (folder.path() / "gt.json").string(), results = (folder.path() / "dt.json").string();
  std::ofstream(truth) << R"({"images": [{"id": 7, "file_name": "b.jpg"}, {"id": 8, "file_name": "a.jpg"}],
    "categories": [{"id": 1, "name": "cell"}],
    "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0},
                    {"id": 2, "image_id": 8, "category_id": 1, "bbox": [50, 0, 9, 9], "area": 81, "iscrowd": 0}]})";
  // As `fovea detect` numbers the images of a folder: none of these ids is that of the ground truth, or of another one.
  const auto entry = [](int id, const char* name, int x) {
    return fmt::format(
        R"({{"file_name": "{}", "image_id": {}, "category_id": 1, "bbox": [{}, 0, 9, 9], "score": 0.5}})", name, id, x);
  };
  std::ofstream(results) << "[" << entry(7, "val/a.jpg", 50) << ", " << entry(1, "b.jpg", 0) << "]";
  fovea_evaluation* made = nullptr;
  require_ok(fovea_evaluate_files(truth.c_str(), results.c_str(), nullptr, &made));
  const EvaluationHandle evaluation(made);
  std::array<double, 12> summary{};
  require_ok(fovea_evaluation_get_summary(made, summary.data()));
  CHECK(summary[0] == 1);
  std::ofstream(results) << "[" << entry(7, "c.jpg", 50) << "]";
  CHECK(fovea_evaluate_files(truth.c_str(), results.c_str(), nullptr, &made) == FOVEA_ERROR_DATA);
  CHECK_THAT(last_error(), Contains("results[0]") && Contains("no image called c.jpg"));
  // By itself a file of results is what its ids say.
  fovea_annotations* alone = nullptr;
  require_ok(fovea_annotations_read(results.c_str(), FOVEA_ANNOTATIONS_RESULTS, 0, &alone));
  fovea_annotations_free(alone);
}

TEST_CASE("api: files of COCO give what fovea eval finds in them", "[api][evaluation]") {
  const auto folder = test_data("coco_eval/val2014_fakebbox100");
  fovea_evaluation* made = nullptr;
  require_ok(fovea_evaluate_files((folder / "gt.json").c_str(), (folder / "dt.json").c_str(), nullptr, &made));
  const EvaluationHandle evaluation(made);
  const TruthSet truth = read_coco_truth(folder / "gt.json");
  const auto metrics = coco_metrics(truth.categories, truth.objects, read_coco_results(folder / "dt.json", truth));
  std::array<double, 12> summary{};
  require_ok(fovea_evaluation_get_summary(made, summary.data()));
  CHECK(std::vector(summary.begin(), summary.end()) == metrics.values);
  fovea_annotations *objects = nullptr, *results = nullptr;
  require_ok(
      fovea_annotations_read_both((folder / "gt.json").c_str(), (folder / "dt.json").c_str(), 0, &objects, &results));
  const AnnotationsHandle own_objects(objects), own_results(results);
  fovea_annotations* same = nullptr;
  require_ok(fovea_annotations_read((folder / "gt.json").c_str(), FOVEA_ANNOTATIONS_ANY, 0, &same));
  const AnnotationsHandle own_same(same);
  CHECK(fovea_annotations_are_results(objects) == 0);
  CHECK(fovea_annotations_are_results(same) == 0);
  CHECK(fovea_annotations_are_results(results) == 1);
  fovea_id_list images, categories;
  fovea_id_list_init(&images);
  fovea_id_list_init(&categories);
  require_ok(fovea_annotations_get_images(objects, &images));
  require_ok(fovea_annotations_get_categories(objects, &categories));
  REQUIRE(images.count == truth.images.size());
  REQUIRE(categories.count == truth.categories.size());
  CHECK(images.ids[3] == truth.images[3].id);
  CHECK(images.names[3] == truth.images[3].file_name);
  CHECK(images.widths[3] == truth.images[3].width);
  CHECK(categories.widths == nullptr);
  fovea_box_table wanted, found;
  fovea_box_table_init(&wanted);
  fovea_box_table_init(&found);
  require_ok(fovea_annotations_get_table(objects, &wanted));
  require_ok(fovea_annotations_get_table(results, &found));
  CHECK(wanted.count == truth.objects.size());
  fovea_evaluate_options options = usual_options();
  options.image_ids = images.ids;
  options.image_count = images.count;
  require_ok(fovea_evaluate(&wanted, &found, &options, &made));
  const EvaluationHandle of_tables(made);
  std::array<double, 12> again{};
  require_ok(fovea_evaluation_get_summary(made, again.data()));
  CHECK(again == summary);
}
