// `fovea eval` as users call it.
#include <simdjson.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"
#include "tools/image/image_file.h"
#include "tools/text/file.h"

using namespace fovea;
using Catch::Contains;
using test::run_fovea;
namespace fs = std::filesystem;

namespace {

const std::string small_truth = R"({"images": [{"id": 7}], "categories": [{"id": 3}],
  "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [-10, 0, 50, 50], "area": 2500, "iscrowd": 0}]})";
const std::string small_results = R"([{"image_id": 7, "category_id": 3, "bbox": [-10, 0, 50, 50], "score": 0.5}])";

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct EvalRuns {
  test::TemporaryFolder folder;
  std::string path(const std::string& name) const { return (folder.path() / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    write_file(folder.path() / name, text);
    return path(name);
  }
  // The program on these texts.
  test::ProcessResult eval(const std::string& truth, const std::string& results,
                           const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"eval", "--ground-truth", write("gt.json", truth), "--detections",
                                          write("dt.json", results)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_fovea(arguments);
  }
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

// That a page asks for nothing outside itself.
void check_self_contained(const std::string& html) {
  CHECK_THAT(html, !Contains("http:") && !Contains("https:") && !Contains("<script") && !Contains("<link") &&
                       !Contains("url(") && !Contains("@import"));
  for (size_t at = html.find("src="); at != html.npos; at = html.find("src=", at + 1))
    CHECK(html.compare(at, 16, "src=\"data:image/") == 0);
}

const std::vector<std::string> val2014 = {
    "eval", "--ground-truth", test::test_data("coco_eval/val2014_fakebbox100/gt.json").string(), "--detections",
    test::test_data("coco_eval/val2014_fakebbox100/dt.json").string()};

}  // namespace

TEST_CASE("golden: eval without a model writes pycocotools' twelve numbers", "[eval][golden]") {
  const EvalRuns evals;
  auto arguments = val2014;
  arguments.insert(arguments.end(), {"--json", evals.path("out.json"), "--voc"});
  const auto result = run_fovea(arguments);
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK_THAT(result.out, Contains("toothbrush") && Contains("VOC at IoU 0.50"));
  simdjson::dom::parser parser, expected_parser;
  const simdjson::dom::element json = parser.load(evals.path("out.json"));
  const simdjson::dom::element expected =
      expected_parser.load(test::test_data("coco_eval/val2014_fakebbox100/expected.json").string());
  const char* names[] = {"AP",  "AP50", "AP75",  "APsmall", "APmedium", "APlarge",
                         "AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge"};
  REQUIRE(json["stats"].get_array().size() == 12);
  for (size_t i = 0; i < 12; ++i)
    CHECK(double(json["stats"].at(i)) == Approx(double(expected["metrics"][names[i]])).epsilon(1e-12));
  CHECK(json["per_class"].get_array().size() == 80);
}

TEST_CASE("eval takes annotations raw: no sizes, names or clipping, and what is not there is -1 and null", "[eval]") {
  const EvalRuns evals;
  const auto result = evals.eval(small_truth, small_results, {"--json", evals.path("out.json")});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(result.err.empty());
  CHECK_THAT(result.out, Contains("n/a (no ground truth)"));
  CHECK_THAT(text_of(evals.path("out.json")),
             Contains(R"("APsmall": null)") && Contains(R"("name": "3")") && Contains("-1, 0.99999999"));
}

TEST_CASE("eval says what it takes in the place of missing keys", "[eval]") {
  const EvalRuns evals;
  const auto area =
      evals.eval(replaced(small_truth, ", \"area\": 2500", ""), small_results, {"--json", evals.path("out.json")});
  CHECK(area.exit_code == 0);
  CHECK_THAT(text_of(evals.path("out.json")), Contains(R"("APsmall": null, "APmedium": 0.99)"));  // 50 x 50 pixels
  CHECK_THAT(area.err, Contains("gt.json: 1 annotations have no area: width x height is used"));
  const auto crowd = evals.eval(replaced(small_truth, ", \"iscrowd\": 0", ""), small_results);
  CHECK(crowd.exit_code == 0);
  CHECK_THAT(crowd.err, Contains("1 annotations have no iscrowd"));
}

TEST_CASE("fault: eval refuses a ground truth that makes no sense, naming the entry", "[eval][fault]") {
  const EvalRuns evals;
  const auto refusal = [&](const std::string& from, const std::string& to) {
    const auto result = evals.eval(replaced(small_truth, from, to), small_results);
    CHECK(result.exit_code == 3);
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') <= 2);
    return result.err;
  };
  CHECK_THAT(refusal("\"bbox\": [-10, 0, 50, 50], ", ""), Contains("annotations[0]: has no \"bbox\""));
  CHECK_THAT(refusal("[-10, 0, 50, 50]", "[-10, 0, 50]"), Contains("annotations[0].bbox: has 3 numbers"));
  CHECK_THAT(refusal("[-10, 0, 50, 50]", "[-10, 0, NaN, 50]"), Contains("annotations[0].bbox: expected four finite"));
  CHECK_THAT(refusal("\"iscrowd\": 0", "\"iscrowd\": 7"), Contains("annotations[0].iscrowd"));
  CHECK_THAT(refusal("{\"id\": 7}", "{\"id\": 7}, {\"id\": 7}"),
             Contains("images[1].id: 7 is already the id of an earlier one"));
  CHECK_THAT(refusal("\"category_id\": 3", "\"category_id\": 4"), Contains("annotation 1: unknown category 4"));
  CHECK_THAT(refusal("\"annotations\"", "\"annotation\""), Contains("has no \"annotations\""));
  CHECK_THAT(refusal("}]}", "}"), Contains("byte"));
}

TEST_CASE("fault: eval refuses results with unknown ids or scores that are no numbers, naming the entry",
          "[eval][fault]") {
  const EvalRuns evals;
  const auto refusal = [&](const std::string& from, const std::string& to) {
    const auto result = evals.eval(small_truth, replaced(small_results, from, to));
    CHECK(result.exit_code == 3);
    return result.err;
  };
  CHECK_THAT(refusal("\"image_id\": 7", "\"image_id\": 8"),
             Contains("dt.json: results[0].image_id: the ground truth has no image 8"));
  CHECK_THAT(refusal("\"category_id\": 3", "\"category_id\": 1"),
             Contains("results[0].category_id: the ground truth has no category 1"));
  CHECK_THAT(refusal("\"category_id\": 3", "\"category_id\": 2"),
             Contains("no category 2; its ids are 3 to 3: if the results count from another number, add 1 to each"));
  CHECK_THAT(refusal("\"category_id\": 3", "\"category_id\": 4"), Contains("subtract 1 from each"));
  CHECK_THAT(refusal("0.5", "NaN"), Contains("results[0].score: expected a finite number"));
  CHECK_THAT(refusal("}]", "}"), Contains("byte"));
  CHECK_THAT(run_fovea({"eval", "--weights", "w", "--detections", "d", "--data", "x"}).err,
             Contains("--weights and --detections exclude each other"));
  CHECK_THAT(run_fovea({"eval", "--ground-truth", "g", "--detections", "d", "--data", "x"}).err,
             Contains("--data and --ground-truth exclude each other"));
  CHECK_THAT(run_fovea({"eval", "--ground-truth", "g", "--detections", "d", "--time"}).err,
             Contains("--time measures a network"));
  const auto missing = run_fovea({"eval", "--ground-truth", evals.path("none.json"), "--detections", "x"});
  CHECK(missing.exit_code == 3);
  CHECK_THAT(missing.err, Contains("none.json: no such file"));
}

TEST_CASE("eval without detections is evaluated too, as nothing found", "[eval]") {
  const EvalRuns evals;
  const auto result =
      evals.eval(small_truth, "[]", {"--json", evals.path("out.json"), "--report", evals.path("report")});
  CAPTURE(result.err);
  CHECK(result.exit_code == 0);
  CHECK_THAT(text_of(evals.path("out.json")), Contains(R"("stats": [0, 0, 0, -1, 0, -1, 0)"));
  CHECK_THAT(text_of(evals.path("report/report.html")), Contains("none found"));
}

TEST_CASE("fault: eval options that do not go together are refused", "[eval][fault]") {
  const auto refusal = [](const std::vector<std::string>& arguments) {
    const auto result = run_fovea(arguments);
    CHECK(result.exit_code == 2);
    return result.err;
  };
  CHECK_THAT(refusal({"eval", "--ground-truth", "gt.json"}), Contains("either --weights") && Contains("--detections"));
  CHECK_THAT(refusal({"eval", "--detections", "dt.json"}), Contains("either --data") && Contains("--ground-truth"));
  CHECK_THAT(refusal({"eval", "--weights", "w", "--ground-truth", "gt.json"}), Contains("--data"));
  auto arguments = val2014;
  arguments.insert(arguments.end(), {"--ious", "2"});
  CHECK_THAT(refusal(arguments), Contains("--ious: "));
}

TEST_CASE("eval's report is pictures, numbers, and one page that needs nothing outside itself", "[eval]") {
  const EvalRuns evals;
  auto arguments = val2014;
  arguments.insert(arguments.end(), {"--report", evals.path("report")});
  const auto result = run_fovea(arguments);
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  for (const char* name : {"precision_recall", "errors", "sizes", "confusion"}) {
    CAPTURE(name);
    CHECK(read_image(evals.path("report/" + std::string(name) + ".png")).width > 100);
    CHECK_THAT(text_of(evals.path("report/" + std::string(name) + ".svg")), Contains("</svg>"));
  }
  const std::string page = text_of(evals.path("report/report.html"));
  check_self_contained(page);
  for (const char* word : {"0.505", "What to improve", "toothbrush", "n/a (no ground truth)", "best threshold",
                           "name the folder of the images (--images)", "</html>"})
    CHECK_THAT(page, Contains(word));
  simdjson::dom::parser parser;
  const simdjson::dom::element json = parser.load(evals.path("report/report.json"));
  CHECK(int64_t(json["errors"]["class"]["count"]) == 83);
  CHECK(json["per_class"].get_array().size() == 80);
  CHECK(json["confusion"].get_array().size() == 81);
  CHECK(json["worst_images"].get_array().size() == 20);
}

TEST_CASE("eval's report draws the worst images where they are at hand, and none outside their folder", "[eval]") {
  const EvalRuns evals;
  fs::create_directory(evals.folder.path() / "images");
  fs::copy_file(test::test_data("hard_cases/baseline_rgb.jpg"), evals.folder.path() / "images" / "a <b>.jpg");
  fs::copy_file(test::test_data("hard_cases/baseline_rgb.jpg"), evals.folder.path() / "outside.jpg");
  const std::string truth =
      R"({"images": [{"id": 1, "file_name": "a <b>.jpg"}, {"id": 2, "file_name": "../outside.jpg"},
    {"id": 3, "file_name": "none.jpg"}], "categories": [{"id": 3, "name": "x & y"}], "annotations": [
    {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0},
    {"id": 2, "image_id": 2, "category_id": 3, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0},
    {"id": 3, "image_id": 3, "category_id": 3, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}]})";
  const auto result = evals.eval(truth, "[]", {"--images", evals.path("images"), "--report", evals.path("report")});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(read_image(evals.path("report/worst/01_1.jpg")).width > 0);
  CHECK_FALSE(fs::exists(evals.path("report/worst/02_2.jpg")));
  const std::string page = text_of(evals.path("report/report.html"));
  check_self_contained(page);
  CHECK_THAT(page, Contains("src=\"data:image/jpeg;base64,/9j/") && Contains("points outside the image folder") &&
                       Contains("none.jpg: no such file") && Contains("a &lt;b&gt;.jpg") && Contains("x &amp; y"));
}

TEST_CASE("fault: eval into a place where nothing can be written ends with one line", "[eval][fault]") {
  auto arguments = val2014;
  arguments.insert(arguments.end(), {"--report", "/proc/nowhere"});
  const auto result = run_fovea(arguments);
  CHECK(result.exit_code == 2);
  CHECK_THAT(result.err, Contains("/proc/nowhere: cannot create the folder"));
}
