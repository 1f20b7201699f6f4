// Reading the four formats: what is taken, and what is refused with file and line.
#include <fmt/format.h>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/format_files.h"
#include "tests/support/refusal.h"
#include "tests/support/test_data.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

using Files = std::map<std::string, std::string>;

Dataset load(const Files& files, const std::string& split = "train", const LoadOptions& options = {}) {
  const TemporaryFolder folder;
  write_files(folder.path(), files);
  return load_dataset(folder.path(), split, options);
}

std::string refusal(const Files& files, const std::string& split = "train", const LoadOptions& options = {}) {
  return refusal_of([&] { load(files, split, options); });
}

std::array<double, 4> box(const Dataset& data, size_t sample, size_t object) {
  return data.samples.at(sample).objects.at(object).bbox;
}

std::string name_of(const Dataset& data, size_t sample, size_t object) {
  return data.categories.at(static_cast<size_t>(data.samples.at(sample).objects.at(object).label)).name;
}

const std::string size_64 = "<size><width>64</width><height>48</height></size>";

Files voc(const std::string& a, const std::string& list = "a\n") {
  return {{"Annotations/a.xml", a}, {"JPEGImages/a.png", "image 64x48"}, {"ImageSets/Main/train.txt", list}};
}

Files csv(const std::string& lines, const std::string& classes = "cat,0\ndog,1\n") {
  Files files{{"train.csv", lines}, {"img/a.png", "image 64x48"}, {"img/b c.png", "image 10x20"}};
  if (!classes.empty()) files["classes.csv"] = classes;
  return files;
}

Files yolo(const std::string& labels,
           const std::string& yaml = "train: images/train\nval: images/val\nnames: [cat, dog]\n") {
  return {{"data.yaml", yaml},
          {"images/train/a.png", "image 64x48"},
          {"images/train/b.png", "image 10x20"},
          {"images/val/c.png", "image 10x20"},
          {"labels/train/a.txt", labels},
          {"labels/val/c.txt", "1 0.5 0.5 1 1\n"}};
}

}  // namespace

// ---- Pascal VOC

TEST_CASE("VOC: boxes are xmin, ymin, xmax - xmin, ymax - ymin, and difficult objects regions to ignore", "[data]") {
  const Dataset data = load(voc(voc_annotation(
      "a.png", size_64,
      voc_object("dog", "1 2 11 22") + voc_object("cat", "0.5 0 5.25 6") + voc_object("dog", "3 3 9 9", 1))));
  REQUIRE(data.samples.size() == 1);
  CHECK(data.samples[0].file_name == "a.png");
  CHECK(data.categories.size() == 2);
  CHECK(data.categories[0].name == "cat");  // the alphabet's order, from 1
  CHECK(data.categories[0].id == 1);
  CHECK(box(data, 0, 0) == std::array<double, 4>{1, 2, 10, 20});
  CHECK(box(data, 0, 1) == std::array<double, 4>{0.5, 0, 4.75, 6});
  CHECK((name_of(data, 0, 0) == "dog" && !data.samples[0].objects[0].crowd));
  CHECK(data.samples[0].objects[2].crowd);
  CHECK(data.report.crowds == 1);
  CHECK(data.report.text().empty());
}

TEST_CASE("VOC: classes.txt gives the order, and a class that is not in it is an unknown reference", "[data]") {
  auto files = voc(voc_annotation("a.png", size_64, voc_object("dog", "1 2 11 22")));
  files["classes.txt"] = "dog\ncat\n";
  CHECK(load(files).categories.at(0).name == "dog");
  files["classes.txt"] = "cat\n";
  CHECK_THAT(refusal(files), Contains("Annotations/a.xml:4: unknown category 'dog'"));
}

TEST_CASE("VOC: an image whose ending or name differs from <filename> is found by the annotation's own name",
          "[data]") {
  for (const char* said : {"a.jpg", "elsewhere.png", "", "/home/me/pictures/a.png"}) {
    CAPTURE(said);
    const Dataset data = load(voc(voc_annotation(said, size_64, voc_object("dog", "1 2 11 22"))));
    CHECK(data.samples.at(0).file_name == "a.png");
  }
  auto files = voc(voc_annotation("b.png", size_64, voc_object("dog", "1 2 11 22")));
  files["JPEGImages/b.png"] = "image 9x9";
  const Dataset data = load(files);
  CHECK(data.samples.at(0).file_name == "a.png");
  CHECK_THAT(data.report.text(), Contains("1 annotation files name another image"));
}

TEST_CASE("fault: VOC: a class name in no encoding that is known is refused with its line", "[data][fault]") {
  CHECK_THAT(refusal(voc(voc_annotation("a.png", size_64, voc_object("do\x81", "1 2 11 22")))),
             Contains("Annotations/a.xml:5: the name \"do\\x81\" is in neither UTF-8 nor Windows-1252"));
}

TEST_CASE("VOC: sizes that are not said are taken from the image", "[data]") {
  for (const char* size : {"", "<size></size>", "<size><width>0</width><height>0</height></size>"}) {
    const Dataset data = load(voc(voc_annotation("a.png", size, voc_object("dog", "1 2 11 22"))));
    CHECK((data.samples.at(0).width == 64 && data.samples[0].height == 48));
  }
}

TEST_CASE("VOC: flat folders, annotation folders beside images, several years, and sets that are not split", "[data]") {
  const std::string xml = voc_annotation("a.png", size_64, voc_object("dog", "1 2 11 22"));
  const std::string image = "image 64x48";
  CHECK(load({{"train/a.xml", xml}, {"train/a.png", image}, {"val/b.xml", xml}, {"val/b.png", image}}, "val")
            .samples.at(0)
            .file_name == "b.png");
  CHECK(load({{"train/annotations/a.xml", xml}, {"train/images/a.png", image}}).samples.at(0).file_name == "a.png");
  const Files years{{"VOC2007/Annotations/a.xml", xml},
                    {"VOC2007/JPEGImages/a.png", image},
                    {"VOC2007/ImageSets/Main/train.txt", "a"},
                    {"VOC2012/Annotations/b.xml", xml},
                    {"VOC2012/JPEGImages/b.png", image},
                    {"VOC2012/ImageSets/Main/train.txt", "b"},
                    {"VOC2012/ImageSets/Main/dog_train.txt", "b  1"}};
  CHECK(load(years).samples.size() == 2);
  Files repeated = years;
  repeated["VOC2012/ImageSets/Main/train.txt"] = "b\nb.png\n";
  CHECK(load(repeated).samples.size() == 2);
  CHECK(load(repeated).report.objects == 2);
  CHECK_THAT(load(repeated).report.text(), Contains("train: 1 images are listed more than once") && Contains("b.xml"));
  CHECK(load({{"a.xml", xml}, {"a.png", image}}, "all").samples.size() == 1);
  CHECK_THAT(refusal({{"a.xml", xml}, {"a.png", image}}), Contains("has no split 'train'") &&
                                                              Contains("it is not split") &&
                                                              Contains("split it into train and val"));
  CHECK_THAT(refusal(years, "val"), Contains("has no split 'val'") && Contains("it has: train"));
}

TEST_CASE("VOC: the real files of BCCD load as their COCO format says, but for two boxes of no size", "[data]") {
  const Dataset train = load_dataset(test_data("bccd_voc"), "train"), val = load_dataset(test_data("bccd_voc"), "val");
  CHECK((train.samples.size() == 6 && val.samples.size() == 3));
  CHECK((train.report.bad_boxes.size() == 1 && val.report.bad_boxes.size() == 1));
  CHECK_THAT(train.report.bad_boxes[0], Contains("BloodImage_00343.xml:50:") && Contains("no positive width"));
  const Dataset coco = load_dataset(FOVEA_SOURCE_DIR "/examples/blood_cells", "train");
  for (const Sample& sample : train.samples) {
    const auto same = std::find_if(coco.samples.begin(), coco.samples.end(),
                                   [&](auto& other) { return other.file_name == sample.file_name; });
    REQUIRE(same != coco.samples.end());
    REQUIRE(same->objects.size() == sample.objects.size());
    for (size_t o = 0; o < sample.objects.size(); ++o) {
      CHECK(sample.objects[o].bbox == same->objects[o].bbox);
      CHECK(sample.objects[o].label == same->objects[o].label);
    }
  }
}

TEST_CASE("fault: VOC: malformed annotations are refused with file and line", "[data][fault]") {
  const auto of = [](const std::string& object) { return voc(voc_annotation("a.png", size_64, object)); };
  CHECK_THAT(refusal(voc("<annotation>\n<object>\n</annotation>")), Contains("a.xml:3: not valid XML"));
  CHECK_THAT(refusal(voc("")), Contains("a.xml: is empty (0 bytes): expected XML"));
  CHECK_THAT(refusal(voc("<html></html>")), Contains("a.xml:1: has no <annotation>"));
  CHECK_THAT(refusal(of("<object><bndbox/></object>")), Contains("a.xml:4: an object without <name>"));
  CHECK_THAT(refusal(of("\n<object><name>x</name></object>")), Contains("a.xml:5: an object without <bndbox>"));
  CHECK_THAT(refusal(of(voc_object("x", "1 2 3"))), Contains("a.xml:7: ymax: expected a number, found \"\""));
  CHECK_THAT(refusal(of(voc_object("x", "1 2 1,5 4"))), Contains("a.xml:7: xmax: expected a number, found \"1,5\""));
  CHECK_THAT(refusal(of(voc_object("x", "1 2 3 4", 7))), Contains("a.xml:6: difficult: expected 0 or 1, found 7"));
  CHECK_THAT(refusal(voc(voc_annotation("a.png", "<size><width>-4</width></size>", ""))),
             Contains("a.xml:3: width: expected a size in pixels, found -4"));
  const auto good = voc_annotation("a.png", size_64, voc_object("x", "1 2 3 4"));
  const Dataset without = load(voc(good, "a\n\nmissing\n"));
  REQUIRE(without.report.bad_images.size() == 1);
  CHECK_THAT(without.report.bad_images[0].why,
             Contains("train.txt:3: the annotation ") && Contains("missing.xml is missing"));
  CHECK_THAT(refusal(voc(good, "../../etc/passwd\n")), Contains("train.txt:1: the annotation "));
  auto twice = voc(good);
  twice["classes.txt"] = "x\nx\n";
  CHECK_THAT(refusal(twice), Contains("classes.txt: the class 'x' is listed twice"));
}

TEST_CASE("fault: VOC: bad boxes are dropped and listed with file and line, or an error", "[data][fault]") {
  const auto files = voc(voc_annotation("a.png", size_64,
                                        voc_object("x", "9 9 9 12") + voc_object("x", "nan 1 2 3") +
                                            voc_object("x", "70 1 80 3") + voc_object("x", "-5 1 3 3")));
  const Dataset data = load(files);
  REQUIRE(data.report.bad_boxes.size() == 3);
  CHECK_THAT(data.report.bad_boxes[0], Contains("a.xml:4: annotation 1 of image 1 (a.png, 64×48)") &&
                                           Contains("has no positive width and height"));
  CHECK_THAT(data.report.bad_boxes[1], Contains("a.xml:9:") && Contains("not a finite number"));
  CHECK_THAT(data.report.bad_boxes[2], Contains("a.xml:14:") && Contains("outside the image"));
  CHECK(data.report.clipped_boxes == 1);
  CHECK_THAT(refusal(files, "train", {.bad_boxes = OnBad::Error}), Contains("a.xml:4:") && Contains("skip bad boxes"));
}

// ---- CSV

TEST_CASE("CSV: corners, images without objects, quoted fields, both line ends, a byte order mark", "[data]") {
  const Dataset data =
      load(csv("\xEF\xBB\xBFimg/a.png,1,2,11,22,dog\r\n\"img/a.png\",0.5, 3 ,4.25,6,cat\n\n\"img/b c.png\",,,,,"));
  REQUIRE(data.samples.size() == 2);
  CHECK((data.samples[0].file_name == "img/a.png" && data.samples[1].file_name == "img/b c.png"));
  CHECK((data.samples[0].width == 64 && data.samples[1].height == 20));
  CHECK(box(data, 0, 0) == std::array<double, 4>{1, 2, 10, 20});
  CHECK(box(data, 0, 1) == std::array<double, 4>{0.5, 3, 3.75, 3});
  CHECK((name_of(data, 0, 0) == "dog" && data.categories[1].id == 1));
  CHECK((data.samples[1].objects.empty() && data.report.images_without_objects == 1));
  CHECK(data.report.text().empty());
}

TEST_CASE("CSV: quotes hold commas, quotes and line ends, and without a class map classes are sorted by name",
          "[data]") {
  const Dataset data = load(csv("img/a.png,1,2,11,22,\"big, \"\"old\"\"\ndog\"\nimg/a.png,1,2,11,22,cat\n", ""));
  REQUIRE(data.categories.size() == 2);
  CHECK(data.categories[0].name == "big, \"old\"\ndog");
  CHECK(data.categories[0].id == 0);
}

TEST_CASE("CSV: a heading is left out, and said", "[data]") {
  const Dataset data = load(csv("path,x1,y1,x2,y2,class\nimg/a.png,1,2,11,22,dog\n"));
  CHECK(data.report.objects == 1);
  CHECK_THAT(data.report.text(), Contains("train.csv:1: skipped, as it is a header"));
}

TEST_CASE("fault: CSV: malformed lines are refused with file and line", "[data][fault]") {
  const std::string good = "img/a.png,1,2,11,22,dog\n";
  CHECK_THAT(refusal(csv(good + "img/a.png,1,2,11,22\n")), Contains("train.csv:2: has 5 fields, expected 6"));
  CHECK_THAT(refusal(csv(good + "img/a.png,1,2,11,22,dog,1\n")), Contains("train.csv:2: has 7 fields"));
  CHECK_THAT(refusal(csv(good + "img/a.png,1,x,11,22,dog\n")),
             Contains("train.csv:2: y1: expected a number, found \"x\""));
  CHECK_THAT(refusal(csv(good + "img/a.png,1,,11,22,dog\n")),
             Contains("train.csv:2: y1: expected a number, found \"\""));
  CHECK_THAT(refusal(csv(good + "img/a.png,1,2,11,22,\n")), Contains("train.csv:2: the class is empty"));
  CHECK_THAT(refusal(csv(good + ",1,2,11,22,dog\n")), Contains("train.csv:2: the path is empty"));
  CHECK_THAT(refusal(csv(good + "img/a.png,\"1,2,11,22,dog\n")), Contains("train.csv:3: a quote is not closed"));
  CHECK_THAT(refusal(csv(good + "img/\"a\".png,1,2,11,22,dog\n")), Contains("train.csv:2: a quote inside a field"));
  CHECK_THAT(refusal(csv(good + "../a.png,1,2,11,22,dog\n")),
             Contains("train.csv:2: the path \"../a.png\" lies outside"));
  CHECK_THAT(refusal(csv(good + "/etc/passwd,1,2,11,22,dog\n")),
             Contains("train.csv:2: the path \"/etc/passwd\" lies outside"));
  CHECK_THAT(refusal(csv(good, "dog,0\ndog,1\n")), Contains("classes.csv:2: the class 'dog' is listed twice"));
  CHECK_THAT(refusal(csv(good, "dog,0\ncat,0\n")), Contains("categories[1].id: 0 is already the id"));
  CHECK_THAT(refusal(csv(good, "dog,first\n")), Contains("classes.csv:1: expected name,id"));
  CHECK_THAT(refusal(csv(good, "dog\n")), Contains("classes.csv:1: expected name,id"));
  CHECK_THAT(refusal(csv(good + "img/a.png,1,2,11,22,cow\n")), Contains("train.csv:2: unknown category 'cow'"));
  CHECK_THAT(refusal(csv(good + "img/a.png,1,2,1,22,dog\n"), "train", {.bad_boxes = OnBad::Error}),
             Contains("train.csv:2: annotation 2 of image 1"));
}

TEST_CASE("fault: images that cannot be read are left out and listed where their size is needed", "[data][fault]") {
  const Dataset data = load(csv("img/a.png,1,2,11,22,dog\nimg/none.png,1,2,3,4,dog\nimg/none.png,1,2,3,5,dog\n"));
  CHECK(data.samples.size() == 1);
  REQUIRE(data.report.bad_images.size() == 1);
  CHECK(data.report.bad_images[0].file_name == "img/none.png");
  CHECK_THAT(data.report.text(), Contains("1 images cannot be read") && Contains("img/none.png: no such file"));
  CHECK(images_in(data) == 2);
  BadFiles files(images_in(data));
  CHECK_THROWS_WITH(add_bad_images(files, data), Contains("1 of 2 images cannot be read, more than 1 %"));
  CHECK_THAT(refusal(csv("img/none.png,1,2,3,4,dog\n")), Contains("none of the 1 images can be read"));
}

// ---- YOLO

TEST_CASE("YOLO: boxes are from centers, whole pixels come back whole, and images without labels have no objects",
          "[data]") {
  const Dataset data = load(yolo("0 0.5 0.5 0.5 0.25\n1 0.109375 0.1458333333333333 0.15625 0.2083333333333333\n"));
  REQUIRE(data.samples.size() == 2);
  CHECK((data.samples[0].file_name == "a.png" && data.samples[1].file_name == "b.png"));
  CHECK(box(data, 0, 0) == std::array<double, 4>{16, 18, 32, 12});
  CHECK(box(data, 0, 1) == std::array<double, 4>{2, 2, 10, 10});
  CHECK(data.samples[0].objects[1].area == 100);
  CHECK((name_of(data, 0, 0) == "cat" && data.categories[0].id == 0));
  CHECK(data.report.images_without_objects == 1);
  CHECK(data.report.text().empty());
  CHECK(load(yolo("0 0.5 0.5 0.5 0.25\n"), "val").samples.at(0).file_name == "c.png");
}

TEST_CASE("YOLO: names as a map, a path, lists of folders, text files, Roboflow's way up, the YAML file itself",
          "[data]") {
  const std::string label = "0 0.5 0.5 0.5 0.25\n";
  const auto names = [](const Dataset& data) {
    std::string all;
    for (const Sample& sample : data.samples) all += sample.file_name + " ";
    return all;
  };
  CHECK(names(load(yolo(label, "train: images/train\nnames: {1: dog, 0: cat}\n"))) == "a.png b.png ");
  CHECK(names(load(yolo(label, "path: .\ntrain: [images/train, images/val]\nnames: [cat, dog]\n"))) ==
        "train/a.png train/b.png val/c.png ");
  CHECK(names(load(yolo(label, "path: /gone\ntrain: ../images/train\nnames: [cat, dog]\n"))) == "a.png b.png ");
  CHECK(names(load(yolo(label, "path:\ntrain: images/train\nval: ''\ntest:\nnames: [cat, dog]\n"))) == "a.png b.png ");
  CHECK_THROWS(load(yolo(label, "train: images/train\nval: ''\nnames: [cat, dog]\n"), "val"));
  auto files = yolo(label, "train: list.txt\nnames: [cat, dog]\n");
  files["list.txt"] = "./images/train/b.png\r\nimages/train/a.png\n";
  CHECK(names(load(files)) == "b.png a.png ");
  CHECK(load(files).samples.at(1).objects.size() == 1);
  files["list.txt"] = "images/train/b.png\nimages/val/c.png\n";  // labels of other images are no fault of a list
  CHECK(load(files).report.text().empty());
  files["list.txt"] = "images/train/b.png\nimages/train/a.png\n./images/train/b.png\n";
  CHECK(names(load(files)) == "b.png a.png ");
  CHECK_THAT(load(files).report.text(),
             Contains("train: 1 images are listed more than once") && Contains("images/train/b.png"));
  CHECK(names(load(yolo(label, "train: [images/train, images]\nnames: [cat, dog]\n"))) ==
        "train/a.png train/b.png val/c.png ");
  const TemporaryFolder folder;
  write_files(folder.path(), files);
  CHECK(load_dataset(folder.path() / "data.yaml", "train").samples.size() == 2);
}

TEST_CASE("YOLO: polygons give their boxes, and it is said", "[data]") {
  const Dataset data = load(yolo("1 0.25 0.25 0.5 0.75 0.125 0.5\n"));
  CHECK(box(data, 0, 0) == std::array<double, 4>{8, 12, 24, 24});
  CHECK_THAT(data.report.text(), Contains("1 labels of train are polygons"));
}

TEST_CASE("fault: YOLO: malformed files are refused with file and line", "[data][fault]") {
  const std::string good = "0 0.5 0.5 0.5 0.25\n";
  const std::string yaml = "train: images/train\nval: images/val\n";
  CHECK_THAT(refusal(yolo(good + "0 0.5 0.5 0.5\n")), Contains("labels/train/a.txt:2: has 4 numbers, expected 5"));
  CHECK_THAT(refusal(yolo(good + "0 0.5 0.5 0.5 0.5 0.9\n")), Contains("a.txt:2: has 6 numbers"));
  CHECK_THAT(refusal(yolo(good + "\n0 0.5 0,5 0.5 0.1\n")),
             Contains("a.txt:3: \"0 0.5 0,5 0.5 0.1\": it cannot be told whether its commas"));
  CHECK_THAT(refusal(yolo(good + "cat 0.5 0.5 0.5 0.1\n")),
             Contains("a.txt:2: expected a class number, found \"cat\""));
  CHECK_THAT(refusal(yolo(good + "2 0.5 0.5 0.5 0.1\n")), Contains("a.txt:2: unknown category 2"));
  CHECK_THAT(refusal(yolo(good + "0 0.5 0.5 0 0.1\n"), "train", {.bad_boxes = OnBad::Error}),
             Contains("a.txt:2: annotation 2 of image 1") && Contains("no positive width"));
  CHECK_THAT(refusal(yolo(good, "train: [a\nnames: [b]")), Contains("data.yaml:2:"));
  CHECK_THAT(refusal(yolo(good, "- a\n")), Contains("data.yaml:1: expected keys"));
  CHECK_THAT(refusal(yolo(good, yaml)), Contains("data.yaml:1: has no names"));
  CHECK_THAT(refusal(yolo(good, "names: [a]\n")), Contains("has neither train nor val"));
  CHECK_THAT(refusal(yolo(good, yaml + "names: 5\n")), Contains("data.yaml:3: names: expected a list"));
  CHECK_THAT(refusal(yolo(good, yaml + "names: {x: a}\n")),
             Contains("data.yaml:3: names: expected a class number, found x"));
  CHECK_THAT(refusal(yolo(good, yaml + "names: [a, a]\n")), Contains("data.yaml:3: names: 'a' is listed twice"));
  CHECK_THAT(refusal(yolo(good, yaml + "names: [a, b]\nnc: 3\n")),
             Contains("data.yaml:4: nc is 3, but there are 2 names"));
  CHECK_THAT(refusal(yolo(good, "train: [images/train, '']\nnames: [a]\n")),
             Contains("data.yaml:1: train: expected a string"));
  CHECK_THAT(refusal(yolo(good, yaml + "names: [a, '']\n")), Contains("data.yaml:3: names: expected a string"));
  CHECK_THAT(refusal(yolo(good, "train: pictures\nnames: [a]\n")), Contains("pictures does not exist"));
  CHECK_THAT(refusal(yolo(good, "train: labels\nnames: [a]\n")), Contains("there are no images in labels"));
  CHECK_THAT(refusal(yolo(good, "train: /\nnames: [a]\n")), Contains("\"/\" lies outside"));
  auto files = yolo(good, "train: list.txt\nnames: [cat, dog]\n");
  files["list.txt"] = "images/train/a.png\n../../etc/passwd\n";
  CHECK_THAT(refusal(files), Contains("\"../../etc/passwd\" lies outside"));
}

// ---- what holds for all

TEST_CASE("the format is found by itself, --format overrules, and two that fit are said", "[data]") {
  auto files = csv("img/a.png,1,2,11,22,dog\n");
  files.merge(Files{{"Annotations/a.xml", voc_annotation("a.png", size_64, voc_object("cow", "1 2 3 4"))},
                    {"ImageSets/Main/train.txt", "a\n"},
                    {"JPEGImages/a.png", "image 64x48"}});
  const Dataset voc_first = load(files);
  CHECK(name_of(voc_first, 0, 0) == "cow");
  CHECK_THAT(voc_first.report.text(),
             Contains("is read as voc but also looks like csv; set the format if that is wrong"));
  const Dataset forced = load(files, "train", {.format = DatasetFormat::Csv});
  CHECK(name_of(forced, 0, 0) == "dog");
  CHECK(forced.report.text().empty());
}

TEST_CASE("COCO: the usual folders are found: Roboflow's, with years, one folder for all images", "[data]") {
  const auto json = [](const std::string& image) {
    return fmt::format(R"({{"images": [{{"id": 1, "file_name": "{}", "width": 64, "height": 48}}],
                           "annotations": [{{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}}],
                           "categories": [{{"id": 1, "name": "cat"}}]}})",
                       image);
  };
  const std::string image = "image 64x48";
  const auto root = [](const Dataset& data) { return data.image_root.filename().string(); };
  CHECK(root(load({{"train/_annotations.coco.json", json("a.png")}, {"train/a.png", image}})) == "train");
  CHECK(root(load({{"valid/_annotations.coco.json", json("a.png")}, {"valid/a.png", image}}, "val")) == "valid");
  CHECK(root(load({{"annotations/instances_train2017.json", json("a.png")},
                   {"annotations/captions_train2017.json", "{}"},
                   {"train2017/a.png", image}})) == "train2017");
  CHECK(root(load({{"train.json", json("a.png")}, {"images/a.png", image}})) == "images");
  CHECK_THAT(load({{"train.json", json("a.png")}}).report.text(), Contains("the first: a.png"));
}
