// COCO's annotations and results in the shapes that programs write them.
#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/data_command.h"
#include "tests/support/refusal.h"
#include "tests/support/temporary_folder.h"
#include "tools/data/formats/segmentation.h"
#include "tools/eval/coco_results.h"
#include "tools/text/file.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

const std::string truth_text = coco({R"({"id": 7})"}, {coco_box(1, 7, 2, "10, 20, 30, 40")});
const std::string first = R"({"image_id": 7, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.5})";
const std::string second =
    R"({"bbox": [5, 6, 7, 8.5], "score": 1, "category_id": "2", "note": "a \"{[", "image_id": 7.0})";
const std::string mark = "\xEF\xBB\xBF";

struct Shapes {
  TemporaryFolder folder;

  Detections read(const std::string& results, const std::string& truth = truth_text) const {
    write_file(folder.path() / "gt.json", truth);
    write_file(folder.path() / "dt.json", results);
    return read_coco_results(folder.path() / "dt.json", read_coco_truth(folder.path() / "gt.json"));
  }
  std::string refusal(const std::string& results, const std::string& truth = truth_text) const {
    return refusal_of([&] { read(results, truth); });
  }
};

using Box = std::array<double, 4>;

}  // namespace

TEST_CASE("results: a list, JSON Lines, and a list in an object are the same, with a byte order mark or not",
          "[eval]") {
  const Shapes shapes;
  const std::string list = "[" + first + ",\n " + second + "]";
  for (const std::string& text :
       {list, mark + list, mark + " \n" + list, first + "\n" + second + "\n", mark + first + "\r\n\r\n" + second,
        "{\"annotations\": " + list + "}", "{\"info\": {\"x\": []}, \"predictions\":" + list + ", \"n\": 2}",
        "{\"detections\": " + list + "}", mark + "{\"results\": " + list + "}"}) {
    CAPTURE(text);
    const auto found = shapes.read(text);
    REQUIRE(found.size() == 2);
    CHECK((found[0].image_id == 7 && found[0].category_id == 2 && found[0].w == 3 && found[0].score == 0.5));
    CHECK((found[1].image_id == 7 && found[1].category_id == 2 && found[1].h == 8.5 && found[1].score == 1));
  }
  CHECK(shapes.read(first).size() == 1);
  CHECK(shapes.read(second + "\n").size() == 1);
  CHECK(shapes.read("{\"results\": []}").empty());
}

TEST_CASE("fault: results in no shape that is known are refused with what is there and what to write",
          "[eval][fault]") {
  const Shapes shapes;
  CHECK_THAT(shapes.refusal(R"({"boxes": [], "scores": []})"),
             Contains("dt.json: byte 0: expected a list, '[', or an object with it under \"annotations\", found an "
                      "object with \"boxes\", \"scores\""));
  CHECK_THAT(shapes.refusal("{}"), Contains("found an object with no keys"));
  CHECK_THAT(shapes.refusal(R"({"annotations": {"7": []}})"), Contains("annotations: expected a list, '[', found {"));
  CHECK_THAT(shapes.refusal(first + "\n" + R"({"image_id": 8, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 1})"),
             Contains("results[1]") && Contains("the ground truth has no image 8"));
  CHECK_THAT(shapes.refusal(first + "\n" + R"({"image_id": 7})"), Contains("results[1]: has no \"category_id\""));
  CHECK_THAT(shapes.refusal("[5]"), Contains("results[0]: expected an object, '{', found 5"));
  CHECK_THAT(shapes.refusal("[[1, 2]]"), Contains("results[0]: expected an object, '{', found ["));
  CHECK_THAT(shapes.refusal(R"([{"bbox": "1 2 3 4"}])"),
             Contains("results[0].bbox: expected a list, '[', found \"1 2 3 4\""));
  CHECK_THAT(shapes.refusal("5"), Contains("byte 0: a value of another kind than expected"));
  CHECK_THAT(shapes.refusal(std::string("\xFF\xFE[\0]\0", 6)), Contains("dt.json: is UTF-16: save the file as UTF-8"));
  CHECK_THAT(shapes.refusal(first + "\n" + first.substr(0, 20)), Contains("dt.json"));
}

TEST_CASE("annotations: a byte order mark is passed over, other shapes are named", "[coco]") {
  const Shapes shapes;
  CHECK(shapes.read("[" + first + "]", mark + truth_text).size() == 1);
  CHECK(shapes.read("[" + first + "]", mark + "\n  " + truth_text).size() == 1);
  CHECK_THAT(shapes.refusal("[]", mark), Contains("gt.json: is empty (3 bytes)"));
  CHECK_THAT(shapes.refusal("[]", "[" + first + "]"), Contains("byte 0: expected an object, '{', found a list"));
  CHECK_THAT(shapes.refusal("[]", R"({"images": {"7": {}}})"),
             Contains("images: byte 11: expected a list, found an object"));
  CHECK_THAT(shapes.refusal("[]", std::string("\xFF\xFE{\0}\0", 6)), Contains("gt.json: is UTF-16"));
  CHECK_THAT(shapes.refusal("[]", mark + "{\"images\": \"\xff\"}"), Contains("byte 15: is not UTF-8"));
}

TEST_CASE("annotations: what is missing and has one meaning is filled in for an evaluation too", "[coco]") {
  const TemporaryFolder folder;
  const auto read = [&](const std::string& annotations) {
    write_file(folder.path() / "gt.json", coco({R"({"id": "7", "width": null})"}, {annotations}));
    return read_coco_truth(folder.path() / "gt.json");
  };
  const TruthSet truth = read(R"({"image_id": 7, "category_id": 1.0, "bbox": [1, 2, 3, 4]}, {"id": 9, "image_id": 7,
    "category_id": 2, "segmentation": [[1, 2, 5, 2, 5, 8]]})");
  REQUIRE(truth.objects.size() == 2);
  CHECK((truth.objects[0].id == 10 && truth.objects[1].id == 9));
  CHECK((truth.objects[1].x == 1 && truth.objects[1].y == 2 && truth.objects[1].w == 4 && truth.objects[1].h == 6));
  CHECK_THAT(truth.warnings.at(0), Contains("1 annotations have no id: they are numbered from 10 on"));
  CHECK_THROWS_WITH(read(R"({"image_id": 7, "category_id": 1, "bbox": null})"),
                    Contains("annotations[0].bbox") || Contains("annotations[0]: has no \"bbox\""));
}

TEST_CASE("segmentation: the box around polygons and run lengths", "[coco]") {
  CHECK(box_of_segmentation("[[1, 2, 6.5, 2, 6, 7]]") == Box{1, 2, 5.5, 5});
  CHECK(box_of_segmentation(" [ [4,4,5,5], [1,2,3,9] ], \"next\": [0]") == Box{1, 2, 4, 7});
  CHECK(box_of_segmentation("[1, 2, 6, 7]") == Box{1, 2, 5, 5});
  // Columns of 4: pixels 5, 6 (column 1, rows 1 and 2) and 9 (column 2, row 1).
  CHECK(box_of_segmentation(R"({"size": [4, 5], "counts": [5, 2, 2, 1, 10]})") == Box{1, 1, 2, 2});
  CHECK(box_of_segmentation(R"({"counts": [0, 20], "size": [4, 5]})") == Box{0, 0, 5, 4});
  CHECK(box_of_segmentation(R"({"counts": [3, 2, 15], "size": [4, 5]})") == Box{0, 0, 2, 4});  // over the column's end
  // The same as text: 5 2 2 1 and then 10 - 2 + … as pycocotools' rleToString writes it.
  CHECK(box_of_segmentation(R"({"size": [4, 5], "counts": "522O8"})") == Box{1, 1, 2, 2});
  for (const char* none : {"", "null", "5", "\"x\"", "[]", "[[]]", "[[1]]", "[[1, 2]]", "[[1, 2, 3]]", "[[1, \"a\"]]",
                           "{}", R"({"size": [4, 5]})", R"({"size": [4, 5], "counts": [20]})",
                           R"({"size": [4, 5], "counts": [0, 21]})", R"({"size": [4, 5], "counts": [-1, 3]})",
                           R"({"size": [4], "counts": [1, 3]})", R"({"size": [4, 5], "counts": "P"})"}) {
    CAPTURE(none);
    CHECK_FALSE(box_of_segmentation(none));
  }
}
