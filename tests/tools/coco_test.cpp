#include "tools/data/formats/coco.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tools/text/file.h"

using namespace fovea;
using Catch::Contains;
using fovea::test::TemporaryFolder;

namespace {

const std::string images =
    R"("images": [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 50},
                                      {"id": 9, "file_name": "sub/b c.png", "width": 10, "height": 20}])";
const std::string categories = R"("categories": [{"id": 90, "name": "toothbrush"}, {"id": 3, "name": "car"}])";

std::string annotation(int id, const std::string& bbox, int image = 7, int category = 3) {
  return fmt::format(R"({{"id": {}, "image_id": {}, "category_id": {}, "bbox": {}}})", id, image, category, bbox);
}

std::string document(const std::string& annotations, const std::string& image_list = images,
                     const std::string& category_list = categories) {
  return fmt::format(R"({{"info": {{"x": [1, "]}}"]}}, "annotations": [{}], {}, {}}})", annotations, image_list,
                     category_list);
}

Dataset load(const std::string& json, const LoadOptions& options = {}) {
  const TemporaryFolder folder;
  write_file(folder.path() / "gt.json", json);
  return load_coco_file(folder.path() / "gt.json", folder.path(), "val", options);
}

std::string refusal(const std::string& json, const LoadOptions& options = {}) {
  try {
    load(json, options);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Data);
    CHECK_THAT(error.what(), Contains("gt.json"));
    return error.what();
  }
  return "no error";
}

const std::string good = annotation(1, "[10, 5, 20, 30]");

}  // namespace

TEST_CASE("a COCO file loads: any category ids, labels by id, lists in any order, nested folders, boxes without area",
          "[coco]") {
  const Dataset data =
      load(document(good + "," + R"({"area": 12.5, "iscrowd": 1, "bbox": [0, 0, 1.5, 2], "category_id": 90,
                                                      "segmentation": [[1, 2, 3]], "image_id": 9, "id": 4})"));
  REQUIRE(data.categories.size() == 2);
  CHECK(data.categories[0].name == "car");
  CHECK(data.categories[1].id == 90);
  REQUIRE(data.samples.size() == 2);
  const Object& car = data.samples[0].objects.at(0);
  CHECK((car.x1 == 10 && car.y1 == 5 && car.x2 == 30 && car.y2 == 35));
  CHECK((car.label == 0 && !car.crowd && car.area == 600 && car.id == 1));
  const Object& crowd = data.samples[1].objects.at(0);
  CHECK((crowd.x2 == 1.5f && crowd.label == 1 && crowd.crowd && crowd.area == 12.5 && crowd.id == 4));
  CHECK(crowd.bbox == std::array<double, 4>{0, 0, 1.5, 2});
  CHECK(data.report.text().empty());
  CHECK((data.report.objects == 2 && data.report.crowds == 1 && data.report.images_without_objects == 0));
}

TEST_CASE("the example dataset loads whole", "[coco]") {
  const std::filesystem::path folder = std::filesystem::path(FOVEA_SOURCE_DIR) / "examples/blood_cells";
  const Dataset train = load_dataset(folder, "train"), val = load_dataset(folder, "val");
  CHECK((train.samples.size() == 294 && train.report.objects == 3954));
  CHECK((val.samples.size() == 70 && val.report.objects == 932));
  CHECK(train.categories.at(1).name == "RBC");
  CHECK(val.report.text().empty());
  for (const Sample& sample : val.samples) CHECK(std::filesystem::exists(val.image_root / sample.file_name));
}

TEST_CASE("fault: a folder that is no dataset is refused, saying what was looked for in each format", "[coco][fault]") {
  CHECK_THROWS_WITH(load_dataset("/nowhere", "train"), Contains("/nowhere: does not exist"));
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(load_dataset(folder.path(), "train"),
                    Contains("no dataset found") && Contains("coco: annotations/instances_{train,val}.json") &&
                        Contains("voc: Annotations/*.xml") && Contains("csv: {train,val}.csv") &&
                        Contains("yolo: data.yaml"));
  CHECK_THROWS_WITH(load_dataset(folder.path(), "train", {.format = DatasetFormat::Yolo}),
                    Contains("is not a dataset in yolo format; looked for data.yaml"));
}

TEST_CASE("fault: malformed annotation files are refused with the byte or the key", "[coco][fault]") {
  CHECK_THAT(refusal(""), Contains("is empty (0 bytes)"));
  CHECK_THAT(refusal(" \n"), Contains("is empty (2 bytes)"));
  CHECK_THAT(refusal("[1, 2]"), Contains("byte 0"));
  CHECK_THAT(refusal("{}"), Contains("has no \"images\""));
  CHECK_THAT(refusal(fmt::format("{{{}}}", images)), Contains("has no \"categories\""));
  CHECK_THAT(refusal(fmt::format("{{{},{}}}", images, categories)), Contains("has no \"annotations\""));
  CHECK_THAT(refusal(document(good) + "x"), Contains("byte"));
  CHECK_THAT(refusal(document(good) + " {}"), Contains("byte"));
  CHECK_THAT(refusal(document(good, "\"images\": 5")), Contains("images: byte"));
  CHECK_THAT(refusal(document("5")), Contains("annotations[0]: expected an object, '{', found 5"));
  CHECK_THAT(refusal(document(good + R"(, {"id": 2, "image_id": "x7", "category_id": 3, "bbox": [1, 1, 1, 1]})")),
             Contains("annotations[1].image_id: expected an integer below 2^53, found \"x7\""));
  CHECK_THAT(refusal(document(R"({"id": 2, "image_id": 7, "bbox": [1, 1, 1, 1]})")),
             Contains("annotations[0]: has no \"category_id\""));
  CHECK_THAT(refusal(document(R"({"id": 2, "image_id": 7, "category_id": 3})")),
             Contains("annotations[0]: has no \"bbox\""));
  CHECK_THAT(
      load(document(R"({"id": 2, "image_id": 7, "category_id": 3, "bbox": [1, 1, 1, 1], "area": "big"})"))
          .report.text(),
      Contains("1 annotations have an area that is no number, or a negative one: width x height is taken; the first: "
               "annotations[0].area: \"big\""));
  CHECK_THAT(refusal(document(R"({"id": 2, "image_id": 7, "category_id": 3, "bbox": [1, 1, 1, 1], "iscrowd": 2})")),
             Contains("annotations[0].iscrowd: expected 0 or 1, found 2"));
  CHECK_THAT(refusal(document(annotation(1, "[1, 2 3, 4]"))), Contains("annotations[0].bbox: byte"));
  CHECK_THAT(refusal(document(annotation(1, "[1, x, 3, 4]"))), Contains("annotations[0].bbox: byte"));
  CHECK_THAT(refusal(document(good, R"("images": [{"id": 7, "file_name": 4, "width": 1, "height": 1}])")),
             Contains("images[0].file_name"));
  CHECK_THAT(refusal(document(good, R"("images": [{"id": 7, "file_name": "a", "width": 0, "height": 1}])")),
             Contains("images[0].width"));
  CHECK_THAT(refusal(document(good, "\"images\": []")), Contains("images: the list is empty"));
  CHECK_THAT(refusal(document(good, images, "\"categories\": []")), Contains("categories: the list is empty"));
  CHECK_THAT(refusal("{\"images\": \"\xff\"}"), Contains("byte 12: is not UTF-8"));
}

TEST_CASE("fault: an annotation file cut at any byte is refused with a byte offset or a key", "[coco][fault]") {
  const std::string whole = document(good);
  for (size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_THAT(refusal(whole.substr(0, size)), Contains("byte"));
  }
  CHECK_NOTHROW(load(whole));
}

TEST_CASE("fault: ids that would confuse are errors or renumbered with a warning", "[coco][fault]") {
  const auto image_ids = [](const std::string& a, const std::string& b) {
    return fmt::format(R"("images": [{{"id": {}, "file_name": "a", "width": 99, "height": 99}},
                                     {{"id": {}, "file_name": "b", "width": 99, "height": 99}}])",
                       a, b);
  };
  CHECK_THAT(refusal(document(good, image_ids("7", "7"))), Contains("images[1].id: 7 is already the id of images[0]"));
  CHECK_THAT(refusal(document(good, image_ids("7", "\"x\""))),
             Contains("images[1].id: expected an integer below 2^53, found \"x\""));
  CHECK_THAT(refusal(document(good, image_ids("7", "9007199254740993"))),
             Contains("images[1].id: expected an integer below 2^53"));
  CHECK_THAT(refusal(document(good, image_ids("7", "99999999999999999999999"))),
             Contains("images[1].id: expected an integer below 2^53"));
  CHECK_THAT(refusal(document(good, image_ids("7", "1.5"))), Contains("images[1].id"));
  CHECK_THAT(refusal(document(good, images, R"("categories": [{"id": 3, "name": "a"}, {"id": 3, "name": "b"}])")),
             Contains("categories[1].id: 3 is already the id of categories[0]"));
  CHECK(load(document(good, image_ids("7", "9007199254740991"))).samples[1].id == 9007199254740991);

  const Dataset odd = load(document(annotation(1, "[1, 1, 5, 5]", 0, -2), image_ids("0", "-5"),
                                    R"("categories": [{"id": -2, "name": "a"}])"));
  CHECK(odd.samples[0].id == 0);
  CHECK(odd.categories[0].id == -2);
  CHECK_THAT(odd.report.text(),
             Contains("images: 2 of the ids are 0 or negative") && Contains("categories: 1 of the ids"));

  const std::string bad_id = GENERATE("1", "0", "-1", "\"text\"", "9007199254740993", "null", "1.5");
  CAPTURE(bad_id);
  const Dataset renumbered = load(
      document(good + fmt::format(R"(, {{"image_id": 7, "category_id": 3, "bbox": [1, 1, 1, 1], "id": {}}})", bad_id)));
  CHECK(renumbered.samples[0].objects[0].id == 1);
  CHECK(renumbered.samples[0].objects[1].id == 2);
  CHECK_THAT(renumbered.report.text(), Contains("(the first: annotations[1].id): all annotations are renumbered 1…2"));
  const Dataset same_file =
      load(document(good, R"("images": [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 50},
                                                  {"id": 9, "file_name": "a.jpg", "width": 100, "height": 50}])"));
  CHECK(same_file.samples.size() == 2);
  CHECK_THAT(same_file.report.text(), Contains("1 share their file with another image") && Contains("a.jpg"));
}

TEST_CASE("fault: unknown images and categories are counted, ten of them listed, dropped, and more than 1 % an error",
          "[coco][fault]") {
  std::string annotations = good;
  for (int i = 2; i <= 2000; ++i)
    annotations.append(",").append(annotation(i, "[1, 1, 2, 2]", i <= 10 ? 8 : 7, i > 10 && i <= 21 ? 4 : 3));
  const Dataset data = load(document(annotations));
  CHECK(data.report.unknown_references == 20);
  CHECK(data.report.unknown_examples.size() == 10);
  CHECK(data.report.unknown_examples[0] == "annotations[1] (id 2): unknown image 8");
  CHECK(data.report.unknown_examples[9] == "annotations[10] (id 11): unknown category 4");
  CHECK(data.report.objects == 1980);
  CHECK_THAT(data.report.text(), Contains("20 annotations refer to an unknown") && Contains("and 10 more"));
  CHECK_THAT(refusal(document(annotations + "," + annotation(3000, "[1, 1, 2, 2]", 8))),
             Contains("21 of 2001 annotations refer to an unknown image or category, more than 1 %"));
}

TEST_CASE("fault: bad boxes are dropped and listed, or an error, and partial ones clipped and counted",
          "[coco][fault]") {
  struct Case {
    const char *bbox, *fault;
  };
  const auto c = GENERATE(values<Case>({
      {"[1, 1, 0, 5]", "has no positive width and height"},
      {"[1, 1, 5, -1]", "has no positive width and height"},
      {"[1, 1, NaN, 5]", "not a finite number"},
      {"[-Infinity, 1, 5, 5]", "not a finite number"},
      {"[1, null, 5, 5]", "the box [1, null, 5, 5] has a value that is not a finite number"},
      {"[1, \"two\", 5, 5]", "the box [1, \"two\", 5, 5] has a value that is not a finite number"},
      {"[1, [2, 3], 5, 5]", "not a finite number"},
      {"[1, 1, 5]", "has 3 numbers, expected 4"},
      {"[1, 1, 5, 5, 5]", "has 5 numbers, expected 4"},
      {"[]", "has 0 numbers"},
      {"null", "the box null is no list of 4 numbers"},
      {"\"1 1 5 5\"", "the box \"1 1 5 5\" is no list of 4 numbers"},
      {"{\"x\": 1}", "the box {\"x\": 1} is no list of 4 numbers"},
      {"[100, 1, 5, 5]", "lies outside the image"},
      {"[-5, 1, 5, 5]", "lies outside the image"},
      {"[1, 60, 5, 5]", "lies outside the image"},
      {"[50, 1, 1e-9, 5]", "lies outside the image"},
  }));
  CAPTURE(c.bbox);
  const std::string json = document(good + "," + annotation(2, c.bbox) + "," + annotation(3, "[2, 2, 5, 5]"));
  const Dataset data = load(json);
  CHECK(data.report.objects == 2);
  REQUIRE(data.report.bad_boxes.size() == 1);
  CHECK_THAT(data.report.bad_boxes[0],
             Contains("annotation 2 of image 7 (a.jpg, 100×50): the box ") && Contains(c.fault));
  CHECK_THAT(data.report.text(), Contains("1 bad boxes are left out; the first: annotation 2"));
  CHECK_THAT(refusal(json, {.bad_boxes = OnBad::Error}), Contains("annotation 2 of image 7") && Contains(c.fault));
  const TemporaryFolder folder;
  write_bad_boxes(folder.path() / "bad_boxes.txt", data.report);
  const auto bytes = read_file(folder.path() / "bad_boxes.txt");
  CHECK(std::string(bytes.begin(), bytes.end()) == "# made by Fovea\n" + data.report.bad_boxes[0] + "\n");
}

TEST_CASE("boxes reaching beyond the image are clipped, counted, and keep their annotated numbers", "[coco]") {
  const Dataset data = load(document(annotation(1, "[-5, 40, 20, 20]") + "," + good));
  const Object& object = data.samples[0].objects[0];
  CHECK((object.x1 == 0 && object.y1 == 40 && object.x2 == 15 && object.y2 == 50));
  CHECK(object.bbox == std::array<double, 4>{-5, 40, 20, 20});
  CHECK(object.area == 400);
  CHECK(data.report.clipped_boxes == 1);
  CHECK_THAT(data.report.text(), Contains("1 boxes extend beyond their image"));
}

TEST_CASE("fault: images without boxes stay, but a dataset without any box is an error", "[coco][fault]") {
  const Dataset data = load(document(good));
  CHECK(data.samples.size() == 2);
  CHECK(data.report.images_without_objects == 1);
  CHECK_THAT(refusal(document("")), Contains("no usable box"));
  CHECK_THAT(refusal(document(annotation(1, "[1, 1, 0, 0]"))), Contains("1 bad boxes"));
}

TEST_CASE("fault: file names stay below the image folder", "[coco][fault]") {
  const std::string name = GENERATE("../x.jpg", "/etc/passwd", "a/../../x.jpg", "..", "a/", ".", "a\\u0000b.jpg");
  CAPTURE(name);
  const std::string list =
      fmt::format(R"("images": [{{"id": 7, "file_name": "{}", "width": 90, "height": 90}}])", name);
  CHECK_THAT(refusal(document(good, list)),
             Contains("image 7: the file name \"") && Contains("is not a path inside the image folder"));
}

TEST_CASE("fault: odd but harmless file names are kept, and printed escaped", "[coco][fault]") {
  const std::string list = R"("images": [{"id": 7, "file_name": "a/../new\nline ☃.jpg", "width": 9, "height": 9}])";
  const Dataset data = load(document(annotation(1, "[1, 1, 0, 1]") + "," + annotation(2, "[1, 1, 1, 1]"), list));
  CHECK(data.samples[0].file_name == "a/../new\nline ☃.jpg");
  CHECK_THAT(data.report.bad_boxes.at(0), Contains("(a/../new\\x0aline ☃.jpg, 9×9)"));
}

TEST_CASE("ten thousand boxes in one image load", "[coco]") {
  std::string annotations = good;
  for (int i = 2; i <= 10000; ++i) annotations.append(",").append(annotation(i, "[1, 1, 2.25, 2]"));
  CHECK(load(document(annotations)).samples[0].objects.size() == 10000);
}

TEST_CASE("fault: numbers are read with a point whatever the locale says", "[coco][fault]") {
  const char* before = std::setlocale(LC_ALL, nullptr);
  const std::string saved = before ? before : "C";
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8"}) std::setlocale(LC_ALL, name);
  const Dataset data = load(document(annotation(1, "[1.5, 1, 2.25, 2]")));
  std::setlocale(LC_ALL, saved.c_str());
  CHECK(data.samples[0].objects[0].bbox[2] == 2.25);
}

TEST_CASE("fault: bad files are listed once each, and too many are an error", "[coco][fault]") {
  const TemporaryFolder folder;
  BadFiles files(200);
  files.add("b.jpg", "b.jpg: is empty");
  files.add("a\n.jpg", "a\\x0a.jpg: damaged");
  files.add("b.jpg", "b.jpg: is empty");
  CHECK(files.count() == 2);
  files.write(folder.path() / "bad_images.txt");
  const auto bytes = read_file(folder.path() / "bad_images.txt");
  CHECK(std::string(bytes.begin(), bytes.end()) ==
        "# made by Fovea\na\\x0a.jpg\ta\\x0a.jpg: damaged\nb.jpg\tb.jpg: is empty\n");
  CHECK_THROWS_WITH(files.add("c.jpg", "c.jpg: is empty"),
                    Contains("3 of 200 images cannot be read, more than 1 %; the last: c.jpg"));
  BadFiles strict(200, OnBad::Error);
  CHECK_THROWS_AS(strict.add("a.jpg", "a.jpg: is empty"), Error);
}
