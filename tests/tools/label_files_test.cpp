// Labels and annotations that are broken, called otherwise than their images, or written otherwise.
#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/format_files.h"
#include "tests/support/refusal.h"
#include "tools/data/formats/yolo_line.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

using Files = std::map<std::string, std::string>;

Dataset load(const Files& files, const std::string& split = "train") {
  const TemporaryFolder folder;
  write_files(folder.path(), files);
  return load_dataset(folder.path(), split);
}

std::string refusal(const Files& files) {
  return refusal_of([&] { load(files); });
}

// Objects of each image.
std::map<std::string, size_t> counts(const Dataset& data) {
  std::map<std::string, size_t> counts;
  for (const Sample& sample : data.samples) counts[sample.file_name] = sample.objects.size();
  return counts;
}

using Counts = std::map<std::string, size_t>;

const std::string kYaml = "train: images/train\nnames: [cat, dog]\n", kBox = "0 0.5 0.5 0.5 0.5\n";
const std::string kSize = "<size><width>64</width><height>48</height></size>";

}  // namespace

TEST_CASE("labels: those of another letter case are their image's, if only one can be meant", "[data]") {
  Files files{{"data.yaml", kYaml},
              {"images/train/IMG_1.png", "image 64x48"},
              {"images/train/b.png", "image 64x48"},
              {"labels/Train/img_1.txt", kBox},
              {"labels/Train/B.txt", kBox}};
  const Dataset data = load(files);
  CHECK(counts(data) == Counts{{"IMG_1.png", 1}, {"b.png", 1}});
  CHECK_THAT(data.report.text(), Contains("2 label files of train differ from their images in letter case"));
  files["images/train/img_1.png"] = "image 64x48";  // whose labels they are
  const Dataset exact = load(files);
  CHECK(counts(exact) == Counts{{"IMG_1.png", 0}, {"img_1.png", 1}, {"b.png", 1}});
  files.erase("images/train/img_1.png");
  files["labels/Train/Img_1.txt"] = kBox;
  const Dataset unclear = load(files);
  CHECK(counts(unclear) == Counts{{"IMG_1.png", 0}, {"b.png", 1}});
  CHECK_THAT(unclear.report.text(),
             Contains("2 label files for train have no image; the first: ") && Contains("labels/Train/Img_1.txt"));
}

TEST_CASE("labels: files that no image claims are counted, in folders below and with lists, too", "[data]") {
  Files files{
      {"data.yaml", kYaml},         {"images/train/a.png", "image 64x48"}, {"images/train/in/b.png", "image 64x48"},
      {"labels/train/a.txt", kBox}, {"labels/train/b.txt", kBox},          {"labels/train/other/c.txt", kBox}};
  CHECK_THAT(load(files).report.text(),
             Contains("2 label files for train have no image; the first: ") && Contains("labels/train/b.txt"));
  files["data.yaml"] = "train: train.txt\nval: val.txt\nnames: [cat, dog]\n";
  files["train.txt"] = "images/train/a.png\n";
  files["val.txt"] = "images/train/v.png\n";
  files["images/train/v.png"] = "image 64x48";
  files["labels/train/v.txt"] = kBox;
  CHECK_THAT(load(files).report.text(),
             Contains("1 label files for train have no image; the first: ") && Contains("labels/train/b.txt"));
}

TEST_CASE("labels: commas and semicolons are read where they have one meaning", "[data]") {
  CHECK(yolo_line("0 0.5 0.5 0.1 0.1") == "0 0.5 0.5 0.1 0.1");
  CHECK(yolo_line("0,0.5,0.5,0.1,0.1") == "0 0.5 0.5 0.1 0.1");
  CHECK(yolo_line("0, 0.5, 0.5, 0.1, 0.1") == "0  0.5  0.5  0.1  0.1");
  CHECK(yolo_line("0 0,5 0,5 0,1 0,1") == "0 0.5 0.5 0.1 0.1");
  CHECK(yolo_line("0\t0,5\t0,5\t0,1\t0,1") == "0\t0.5\t0.5\t0.1\t0.1");
  CHECK(yolo_line("0;0,5;0,5;0,1;0,1") == "0 0.5 0.5 0.1 0.1");
  CHECK(yolo_line("0;0.5;0.5;0.1;0.1") == "0 0.5 0.5 0.1 0.1");
  CHECK(yolo_line("0,1,1,1,1") == "0 1 1 1 1");
  for (const char* unclear : {"0,0,5,0,5,0,1,0,1", "0 0.5 0,5 0.5 0.1", "0;0.5,0.5;0.1", "0 0.5,0.5 0.1,0.1"})
    CHECK(yolo_line(unclear) == std::nullopt);
  const auto set = [](const std::string& labels) {
    return Files{{"data.yaml", kYaml}, {"images/train/a.png", "image 64x48"}, {"labels/train/a.txt", labels}};
  };
  const Dataset data = load(set("0,0.5,0.5,0.25,0.5\n1 0,5 0,5 0,25 0,5\n"));
  REQUIRE(counts(data) == Counts{{"a.png", 2}});
  CHECK(data.samples[0].objects[0].bbox == std::array<double, 4>{24, 12, 16, 24});
  CHECK(data.samples[0].objects[1].bbox == data.samples[0].objects[0].bbox);
  CHECK_THAT(data.report.text(), Contains("2 lines of train have commas or semicolons") && Contains("a.txt:1"));
  CHECK_THAT(refusal(set("0,0,5,0,5,0,1,0,1\n")),
             Contains("a.txt:1: \"0,0,5,0,5,0,1,0,1\"") && Contains("write 0 0.5 0.5 0.1 0.1"));
}

TEST_CASE("labels: classes that are counted from 1 are refused with what to do", "[data][fault]") {
  Files files{{"data.yaml", kYaml}, {"images/train/a.png", "image 64x48"}};
  files["labels/train/a.txt"] = "1 0.5 0.5 0.5 0.5\n2 0.5 0.5 0.5 0.5\n";
  CHECK_THAT(refusal(files), Contains("a.txt:2: has the class 2, but the 2 names of ") &&
                                 Contains("count classes from 1? YOLO's count from 0"));
  files["labels/train/a.txt"] += "0 0.5 0.5 0.5 0.5\n";
  CHECK_THAT(refusal(files), Contains("unknown category 2"));
  files["labels/train/a.txt"] = "1 0.5 0.5 0.5 0.5\n";
  CHECK(load(files).report.objects == 1);
}

TEST_CASE("labels: a broken file costs its own image, which is bad, not the set", "[data][fault]") {
  Files yolo{{"data.yaml", kYaml}}, voc, labelme, kitti;
  for (const char* name : {"a", "b", "c"}) {
    const std::string stem(name);
    const bool broken = stem == "b";
    for (const char* folder : {"images/train/", "JPEGImages/", "train/", "train/images/"})
      (folder[0] == 'i'                  ? yolo
       : folder[0] == 'J'                ? voc
       : std::string(folder) == "train/" ? labelme
                                         : kitti)[folder + stem + ".png"] = "image 64x48";
    yolo["labels/train/" + stem + ".txt"] = kBox + (broken ? "1 0.5 0.1 0.1 0.1 0.2 0.2\n0 x 0.5 0.1 0.1\n" : "");
    voc["Annotations/" + stem + ".xml"] = broken ? "<annotation><object><name>dog</name></object></annotation>"
                                                 : voc_annotation(stem + ".png", kSize, voc_object("cat", "1 2 11 22"));
    labelme["train/" + stem + ".json"] =
        R"({"imagePath": ")" + stem +
        R"(.png", "shapes": [{"label": "cat", "shape_type": "rectangle", "points": [[1, 2], [11, 22]]}])" +
        (broken ? "" : "}");
    kitti["train/labels/" + stem + ".txt"] = broken ? "Car 0 0\n" : "Car 0 0 0 1 2 11 22 0 0 0 0 0 0 0\n";
  }
  voc["ImageSets/Main/train.txt"] = "a\nb\nc\n";
  for (const auto& [files, why] : {std::pair(yolo, "b.txt:3: expected a number, found \"x\""),
                                   std::pair(voc, "b.xml:1: an object without <bndbox>"), std::pair(labelme, "b.json"),
                                   std::pair(kitti, "b.txt:1: has 3 words, expected 15")}) {
    const Dataset data = load(files);
    CAPTURE(why, data.report.text());
    CHECK(counts(data) == Counts{{"a.png", 1}, {"c.png", 1}});
    REQUIRE(data.report.bad_images.size() == 1);
    CHECK(data.report.bad_images[0].file_name == "b.png");
    CHECK_THAT(data.report.bad_images[0].why, Contains(why));
    CHECK(data.categories.front().name == (data.categories.front().name == "Car" ? "Car" : "cat"));
  }
}

TEST_CASE("VOC: lists name annotations in many ways, and lie in many places", "[data]") {
  const std::string places[] = {"ImageSets/Main/", "ImageSets/", "", "imagesets/main/"};
  for (const std::string& place : places) {
    CAPTURE(place);
    Files files{
        {place + "train.txt", "a.XML  \r\nJPEGImages/b.jpg\t\r\n.\\JPEGImages\\C.JPG\r\nAnnotations/d.xml\r\n\r\n"},
        {place + "val.txt", "e.xml\n"}};
    for (const char* name : {"a", "b", "c", "d", "e"}) {
      const std::string stem(name);
      files["JPEGImages/" + stem + ".png"] = "image 64x48";
      files["Annotations/" + stem + (stem == "a" ? ".XML" : ".xml")] =
          voc_annotation(stem + ".png", kSize, voc_object("cat", "1 2 11 22"));
    }
    CHECK(counts(load(files)) == Counts{{"a.png", 1}, {"b.png", 1}, {"c.png", 1}, {"d.png", 1}});
    CHECK(counts(load(files, "val")) == Counts{{"e.png", 1}});
  }
}
