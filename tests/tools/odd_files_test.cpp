// Files of a dataset that other programs, or hands, have named or written a little otherwise.
#include <sys/stat.h>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/checked_run.h"
#include "tests/support/format_files.h"
#include "tests/support/refusal.h"
#include "tools/detect/image_list.h"
#include "tools/image/image_file.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

using Files = std::map<std::string, std::string>;
using Counts = std::map<std::string, size_t>;

const std::string kYaml = "train: images/train\nnames: [cat, dog]\n", kBox = "0 0.5 0.5 0.5 0.5\n";
const std::string kPointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";

struct Set {
  TemporaryFolder folder;
  explicit Set(const Files& files) { write_files(folder.path(), files); }
  Dataset load(const std::string& split = "train") const { return load_dataset(folder.path(), split); }
  std::string refusal(const std::string& split = "train") const {
    return refusal_of([&] { load(split); });
  }
};

Counts counts(const Dataset& data) {
  Counts counts;
  for (const Sample& sample : data.samples) counts[sample.file_name] = sample.objects.size();
  return counts;
}

std::string via(const std::string& attributes) {
  return R"({"a.png1": {"filename": "a.png", "size": 1, "file_attributes": {}, "regions": [{"shape_attributes":
             {"name": "rect", "x": 5, "y": 6, "width": 20, "height": 30}, "region_attributes": )" +
         attributes + "}]}}";
}

}  // namespace

TEST_CASE("YOLO: boxes that look like corners in parts of the image are said", "[data]") {
  const auto with = [](const std::string& labels) {
    return Set({{"data.yaml", kYaml}, {"images/train/a.png", "image 64x48"}, {"labels/train/a.txt", labels}})
        .load()
        .report.text();
  };
  CHECK_THAT(with("0 0.7 0.6 0.9 0.9\n0 0.3 0.3 0.8 0.8\n1 0.1 0.1 0.2 0.2\n"),
             Contains("data.yaml: train: 2 of 3 boxes reach beyond their image, and as x1, y1, x2, y2 none would: the "
                      "boxes look like x1, y1, x2, y2; expected center x, center y, width, height"));
  for (const char* usual : {"0 0.5 0.5 1 1\n", "0 0.8 0.8 0.3 0.3\n0 0.7 0.6 0.9 0.9\n", "0 0.2 0.2 0.3 0.3\n"})
    CHECK_THAT(with(usual), !Contains("look like"));
}

TEST_CASE("images are found by the endings that other systems write", "[data]") {
  for (const char* name : {"a.jfif", "a.JPE", "a.jpg_large", "a.jpg:large", "a.TIFF", "a.Tif", "a.PjPeG", "a.dib"})
    CHECK(has_image_ending(name));
  for (const char* name : {"a.txt", "a.jpg.bak", "jpg", ".jpg", "a.gif"}) CHECK_FALSE(has_image_ending(name));
  const Dataset data = Set({{"data.yaml", kYaml},
                            {"images/train/a.jfif", "image 64x48"},
                            {"images/train/b.png", "image 64x48"},
                            {"labels/train/a.txt", kBox},
                            {"labels/train/b.txt", kBox}})
                           .load();
  CHECK(counts(data) == Counts{{"a.jfif", 1}, {"b.png", 1}});
}

TEST_CASE("images without an ending, or only of one that is not known, are found by their first bytes", "[data]") {
  const Dataset data = Set({{"data.yaml", kYaml},
                            {"images/train/a", "image 64x48"},
                            {"images/train/b.png", "image 64x48"},
                            {"images/train/b.bak", "image 64x48"},
                            {"images/train/README", "what this is"},
                            {"labels/train/a.txt", kBox},
                            {"labels/train/b.txt", kBox}})
                           .load();
  CHECK(counts(data) == Counts{{"a", 1}, {"b.png", 1}});
  const Set set({{"in/a.picture", "image 64x48"}, {"in/b.data", "no image"}, {"in/c.txt", "image 64x48"}});
  const auto listed = list_images({(set.folder.path() / "in").string()}, set.folder.path() / "out");
  REQUIRE(listed.size() == 1);
  CHECK(listed[0].name == "a.picture");
}

TEST_CASE("KITTI: images without an ending are found", "[data]") {
  const std::string car = "Car 0 0 0 10 20 50 40 0 0 0 0 0 0 0\n";
  const Dataset data = Set({{"train/images/a", "image 64x48"}, {"train/labels/a.txt", car}}).load();
  CHECK(counts(data) == Counts{{"a", 1}});
}

TEST_CASE("VIA: of several ticked classes the first is taken, with a warning that names them", "[data]") {
  const Files files{{"a.png", "image 64x48"},
                    {"via_region_data.json", via(R"({"class": {"cat": true, "dog": true}})")}};
  const Dataset data = Set(files).load("all");
  CHECK(counts(data) == Counts{{"a.png", 1}});
  CHECK_THAT(data.report.text(), Contains("1 regions have several classes ticked, of which only the first is taken; "
                                          "the first: ") &&
                                     Contains("via_region_data.json: a.png: cat, dog"));
  const Files other{
      {"a.png", "image 64x48"},
      {"via_region_data.json", via(R"({"class": {"cat": true, "dog": false}, "state": {"dark": true, "cut": true}})")}};
  CHECK_THAT(Set(other).load("all").report.text(), !Contains("ticked"));
}

TEST_CASE("CSV: blanks around quotes are none of a field", "[data]") {
  const Dataset data = Set({{"train/a.png", "image 64x48"},
                            {"train.csv",
                             "\"filename\", \"xmin\" , \"ymin\", \"xmax\", \"ymax\", \"class\" \n"
                             " \"a.png\", 10, 20, 40, \"45\", \"the \"\"cat\"\"\"\r\n"}})
                           .load();
  CHECK(counts(data) == Counts{{"a.png", 1}});
  CHECK(data.categories.at(0).name == "the \"cat\"");
}

TEST_CASE("fault: CSV whose first line cannot be read is named with its line", "[data][fault]") {
  const std::string why = Set({{"train/a.png", "image 64x48"}, {"train.csv", "a\"b,x1,y1,x2,y2,class\n"}}).refusal();
  CHECK_THAT(why, Contains("train.csv:1: a quote inside a field: enclose the field in quotes"));
}

TEST_CASE("CSV: rows of a class without a box add no object, and are counted", "[data]") {
  const Dataset data = Set({{"train/a.png", "image 64x48"},
                            {"train/b.png", "image 64x48"},
                            {"train.csv",
                             "image_id,class_name,x_min,y_min,x_max,y_max\n"
                             "a,No finding,,,,\nb,cat,1,2,30,40\nb,No finding,,,,\n"}})
                           .load();
  CHECK(counts(data) == Counts{{"a.png", 0}, {"b.png", 1}});
  REQUIRE(data.categories.size() == 1);
  CHECK_THAT(data.report.text(),
             Contains("2 rows name a class but have no box: they add no object to their images; the "
                      "first: ") &&
                 Contains("train.csv:2: 'No finding'"));
}

TEST_CASE("fault: pointers of Git LFS and packed files are named as what they are", "[data][fault]") {
  const std::string lfs = "is a pointer of Git LFS, not the file itself: run git lfs pull";
  const Files images{{"train/a.png", "image 64x48"}, {"images/train/a.png", "image 64x48"}};
  for (const char* name : {"annotations/instances_train.json", "train.csv", "data.yaml", "via_region_data.json"}) {
    CAPTURE(name);
    Files files = images;
    files[name] = kPointer;
    const std::string why = Set(files).refusal();
    CHECK_THAT(why, Contains(name) && Contains(lfs));
  }
  Files packed = images;
  packed["annotations/instances_train.json"] = "\x1f\x8b\x08\x08 and so on";
  CHECK_THAT(Set(packed).refusal(), Contains("instances_train.json: is packed with gzip: unpack it"));
  const Set labels({{"data.yaml", kYaml},
                    {"images/train/a.png", "image 64x48"},
                    {"labels/train/a.txt", kPointer},
                    {"images/train/b.png", "image 64x48"},
                    {"labels/train/b.txt", kBox}});
  const Dataset data = labels.load();
  REQUIRE(data.report.bad_images.size() == 1);
  CHECK_THAT(data.report.bad_images[0].why, Contains("labels/train/a.txt: " + lfs));
}

TEST_CASE("fault: an empty VOC annotation is said to be empty", "[data][fault]") {
  const std::string one =
      voc_annotation("b.png", "<size><width>64</width><height>48</height></size>", voc_object("cat", "1 2 30 40"));
  const Dataset data = Set({{"JPEGImages/a.png", "image 64x48"},
                            {"JPEGImages/b.png", "image 64x48"},
                            {"Annotations/a.xml", ""},
                            {"Annotations/b.xml", one},
                            {"ImageSets/Main/train.txt", "a\nb\n"}})
                           .load();
  REQUIRE(data.report.bad_images.size() == 1);
  CHECK_THAT(data.report.bad_images[0].why, Contains("a.xml: is empty (0 bytes): expected XML"));
}

TEST_CASE("fault: labels that cannot be read cost their image: links to nothing, and pipes", "[data][fault]") {
  for (const char* names : {"data.yaml", "classes.txt"}) {
    CAPTURE(names);
    const Set set({{names, names == std::string("data.yaml") ? kYaml : "cat\ndog\n"},
                   {"images/train/a.png", "image 64x48"},
                   {"images/train/b.png", "image 64x48"},
                   {"images/train/c.png", "image 64x48"},
                   {"labels/train/b.txt", kBox}});
    fs::create_symlink("/nowhere/a.txt", set.folder.path() / "labels/train/a.txt");
    REQUIRE(mkfifo((set.folder.path() / "labels/train/c.txt").c_str(), 0600) == 0);
    const Dataset data = set.load();
    CHECK(counts(data) == Counts{{"b.png", 1}});
    REQUIRE(data.report.bad_images.size() == 2);
    CHECK_THAT(data.report.bad_images[0].why, Contains("labels/train/a.txt: no such file"));
    CHECK_THAT(data.report.bad_images[1].why, Contains("labels/train/c.txt: is not a regular file"));
  }
}

// As of a folder that its owner alone may enter: asking of a file in it is an error of its own.
TEST_CASE("a folder beside the data whose files cannot even be asked of keeps no format from being read", "[data]") {
  const std::string one =
      voc_annotation("a.png", "<size><width>64</width><height>48</height></size>", voc_object("cat", "1 2 30 40"));
  const Files sets[] = {
      {{"data.yaml", kYaml}, {"images/train/a.png", "image 64x48"}, {"labels/train/a.txt", kBox}},
      {{"train/a.png", "image 64x48"}, {"train/a.xml", one}},
      {{"train.csv", "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,64,48,cat,1,2,30,40\n"},
       {"a.png", "image 64x48"}},
      {{"train/_annotations.coco.json",
        R"({"images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}], "categories": [{"id": 1, "name":
            "cat"}], "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 29, 38]}]})"},
       {"train/a.png", "image 64x48"}}};
  for (const Files& files : sets) {
    CAPTURE(files.begin()->first);
    const Set set(files);
    fs::create_directories(set.folder.path() / "unreadable");
    for (const char* name : {"classes.txt", "obj.names", "data.yaml", "class-descriptions.csv", "_darknet.labels"})
      fs::create_symlink(name, set.folder.path() / "unreadable" / name);  // to itself
    const Dataset data = set.load();
    REQUIRE(data.samples.size() == 1);
    CHECK(data.samples[0].objects.size() == 1);
  }
}
