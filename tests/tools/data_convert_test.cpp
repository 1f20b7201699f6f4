// `fovea data convert` and `fovea data split`: nothing is lost, and nothing of the user's is touched.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/data_command.h"
#include "tests/support/format_files.h"
#include "tests/support/test_data.h"
#include "tests/support/training_data.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

// Everything that a conversion must keep.
struct Content {
  std::vector<std::string> classes, images;
  std::vector<std::vector<std::pair<std::string, std::array<double, 4>>>> boxes;  // by image: class and box
};

Content content_of(const fs::path& folder, const std::string& split) {
  const Dataset data = load_dataset(folder, split);
  Content content;
  for (const Category& category : data.categories) content.classes.push_back(category.name);
  for (const Sample& sample : data.samples) {
    content.images.push_back(fmt::format("{} {}x{}", sample.file_name, sample.width, sample.height));
    auto& boxes = content.boxes.emplace_back();
    for (const Object& object : sample.objects)
      boxes.emplace_back(content.classes[static_cast<size_t>(object.label)], object.bbox);
  }
  return content;
}

void check_same(const Content& a, const Content& b) {
  CHECK(a.classes == b.classes);
  CHECK(a.images == b.images);
  REQUIRE(a.boxes.size() == b.boxes.size());
  double worst = 0;
  for (size_t i = 0; i < a.boxes.size(); ++i) {
    REQUIRE(a.boxes[i].size() == b.boxes[i].size());
    for (size_t o = 0; o < a.boxes[i].size(); ++o) {
      CHECK(a.boxes[i][o].first == b.boxes[i][o].first);
      for (size_t side = 0; side < 4; ++side)
        worst = std::max(worst, std::abs(a.boxes[i][o].second[side] - b.boxes[i][o].second[side]));
    }
  }
  CHECK(worst < 1e-6);
}

using Files = std::map<std::string, std::string>;

const std::vector<std::string> kForms{"coco", "voc", "csv", "yolo"};

// A set with names, boxes and places that are hard to carry.
void write_odd_set(const fs::path& folder) {
  const std::string categories =
      R"({"id": 90, "name": "a \"quoted\", name"}, {"id": 7, "name": "Käse & <Brot> ☃"}, {"id": 3, "name": "null"})";
  write_files(
      folder,
      {{"annotations/instances_train.json",
        coco({coco_image(5, "b.png", 61, 47), coco_image(2, "sub dir/a, b.png", 30, 40), coco_image(9, "c.png", 7, 9)},
             {coco_box(1, 5, 90, "0.1, 0.2, 33.3333333333, 7.7"), coco_box(2, 5, 3, "1e-3, 10, 60.9, 1.25"),
              coco_box(3, 2, 7, "-4.5, 3, 20, 50"), coco_box(4, 2, 7, "3, 3, 5, 5"), coco_box(5, 2, 7, "3, 3, 5, 5")},
             categories)},
       {"annotations/instances_val.json",
        coco({coco_image(1, "b.png", 20, 20)}, {coco_box(1, 1, 7, "1, 2, 3, 4")}, categories)},
       {"train/b.png", "image 61x47"},
       {"train/sub dir/a, b.png", "image 30x40"},
       {"train/c.png", "image 7x9"},
       {"val/b.png", "image 20x20"}});
}

}  // namespace

TEST_CASE("every format converts to every format and back: boxes to 1e-6 pixels, names and order unchanged", "[data]") {
  const TemporaryFolder folder;
  write_odd_set(folder.path() / "odd");
  const bool real = GENERATE(true, false);
  const fs::path source = real ? test_data("cards") : folder.path() / "odd";
  for (const std::string& first : kForms) {
    const fs::path a = folder.path() / (first + "_1");
    check_runs({"data", "convert", source.string(), "--to", first, a.string()});
    for (const std::string& second : kForms) {
      CAPTURE(real, first, second);
      const fs::path b = folder.path() / (first + "_" + second), c = folder.path() / (first + "_" + second + "_back");
      check_runs({"data", "convert", a.string(), "--to", second, b.string()});
      check_runs({"data", "convert", b.string(), "--to", "coco", c.string()});
      for (const char* split : {"train", "val"}) {
        Content before = content_of(source, split), after = content_of(c, split);
        // Where all images lie in one folder, or a file of labels goes by the stem, the second b.png gets a new name.
        if (!real && std::string(split) == "val") before.images = after.images = {};
        check_same(before, after);
      }
    }
  }
}

TEST_CASE("conversion hard-links images, copies them when asked, and changes nothing in the source", "[data]") {
  const TemporaryFolder folder;
  const fs::path linked = folder.path() / "linked", copied = folder.path() / "copied",
                 source = folder.path() / "source";
  make_data(source, 2, 1);
  const fs::path image = source / "train" / load_dataset(source, "train").samples[0].file_name;
  check_runs({"data", "convert", source.string(), "--to", "voc", linked.string()});
  check_runs({"data", "convert", source.string(), "--to", "voc", copied.string(), "--copy"});
  CHECK(fs::equivalent(image, linked / "JPEGImages" / image.filename()));
  CHECK_FALSE(fs::equivalent(image, copied / "JPEGImages" / image.filename()));
  CHECK(read_text(image) == read_text(copied / "JPEGImages" / image.filename()));
}

TEST_CASE("what a format cannot hold is said: crowds, areas of masks, names that clash", "[data]") {
  const TemporaryFolder folder;
  const fs::path source = folder.path() / "source";
  write_files(source, {{"train.json",
                        coco({coco_image(1, "a.png", 30, 20), coco_image(2, "a.jpg", 9, 9)},
                             {coco_box(1, 1, 1, "1, 2, 3, 4", R"(, "area": 7.5)"),
                              coco_box(2, 1, 2, "5, 5, 9, 9", R"(, "iscrowd": 1)"), coco_box(3, 2, 2, "5, 5, 9, 2")})},
                       {"images/a.png", "image 30x20"},
                       {"images/a.jpg", "image 9x9"}});
  for (const std::string& format : kForms) {
    CAPTURE(format);
    const fs::path out = folder.path() / format;
    const auto result = run({"data", "convert", source.string(), "--to", format, out.string()});
    REQUIRE(result.exit_code == 0);
    const Dataset data = load_dataset(out, "train");
    const bool keeps_crowds = format == "coco" || format == "voc", by_stem = format == "voc" || format == "yolo";
    CHECK(data.report.crowds == (keeps_crowds ? 1 : 0));
    CHECK((result.out.find("1 crowd or ignore regions are left out") == std::string::npos) == keeps_crowds);
    CHECK((result.out.find("1 objects lose the area") == std::string::npos) == (format == "coco"));
    CHECK((result.out.find("1 images were renamed") != std::string::npos) == by_stem);
    CHECK_THAT(result.out, Contains("1 boxes extend beyond their image and are written unchanged"));
    CHECK(data.samples.size() == 2);
  }
  const fs::path clipped = folder.path() / "clipped";
  check_runs({"data", "convert", source.string(), "--to", "csv", clipped.string(), "--clip"});
  CHECK_THAT(read_text(clipped / "train.csv"), Contains("train/a.jpg,5,5,9,7,dog"));
}

TEST_CASE("a split test without labels is left out of conversions, and it is said", "[data]") {
  const TemporaryFolder folder;
  const fs::path source = folder.path() / "source", out = folder.path() / "out";
  write_files(source, {{"data.yaml", "train: images/train\nval: ../images/val\ntest: images/test\nnames: [cat]\n"},
                       {"images/train/a.png", "image 20x10"},
                       {"labels/train/a.txt", "0 0.5 0.5 0.5 0.5\n"},
                       {"images/val/b.png", "image 20x10"},
                       {"labels/val/b.txt", "0 0.5 0.5 0.5 0.5\n"},
                       {"images/test/c.png", "image 20x10"}});
  const auto result = run({"data", "convert", source.string(), "--to", "voc", out.string()});
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.out, Contains("skipping the split test: ") && Contains("none of the 1 images has a label file"));
  CHECK(load_dataset(out, "val").samples.size() == 1);
  const auto checked = run({"data", "check", source.string()});
  CHECK(checked.exit_code == 0);
  CHECK_THAT(checked.out, Contains("test: cannot be loaded") && Contains("training accepts this dataset"));
}

TEST_CASE("fault: conversion refuses what would be lost or overwritten", "[data][fault]") {
  const TemporaryFolder folder;
  const fs::path source = folder.path() / "source", out = folder.path() / "out";
  write_odd_set(source);
  write_text(out / "mine.txt", "precious");
  check_fails(2, {"data", "convert", source.string(), "--to", "voc", out.string()}, "is not empty");
  check_fails(2, {"data", "convert", source.string(), "--to", "voc", (source / "new").string()},
              "lies inside the dataset");
  check_fails(2, {"data", "convert", source.string(), (folder.path() / "x").string()}, "convert needs --to");
  check_fails(2, {"data", "convert", source.string(), "--to", "voc2", (folder.path() / "x").string()}, "--to");
  CHECK(read_text(out / "mine.txt") == "precious");

  const fs::path twice = folder.path() / "twice";
  write_files(twice, {{"train.json", coco({coco_image(1, "a.png", 30, 20)},
                                          {coco_box(1, 1, 1, "1, 2, 3, 4"), coco_box(2, 1, 2, "1, 2, 3, 4")},
                                          R"({"id": 1, "name": "cat"}, {"id": 2, "name": "cat"})")},
                      {"images/a.png", "image 30x20"}});
  check_fails(3, {"data", "convert", twice.string(), "--to", "csv", (folder.path() / "y").string()},
              "the categories 1, 2 are all called 'cat' and 2 of them have boxes");
  write_text(twice / "train.json", coco({coco_image(1, "a.png", 31, 20)}, {coco_box(1, 1, 1, "1, 2, 3, 4")}));
  check_fails(3, {"data", "convert", twice.string(), "--to", "csv", (folder.path() / "z").string()},
              "the image is 30x20, the annotations say 31x20");
}

TEST_CASE("a split by content is the same whatever the files are called and how they are ordered, and stratified",
          "[data]") {
  const TemporaryFolder folder;
  const fs::path source = folder.path() / "source", renamed = folder.path() / "renamed";
  constexpr int images = 60, rare = 10;  // the first ten hold a dog, the others a cat
  std::string lines, lines_renamed;
  for (int i = 0; i < images; ++i) {
    const std::string name = fmt::format("img/{:02}.png", i), other = fmt::format("img/{:02}.png", images - i);
    write_files(source, {{name, fmt::format("image {}x30", 20 + i)}});
    fs::create_directories(renamed / "img");
    fs::copy_file(source / name, renamed / other);
    lines += fmt::format("{},1,1,9,9,{}\n", name, i < rare ? "dog" : "cat");
    lines_renamed = fmt::format("{},1,1,9,9,{}\n", other, i < rare ? "dog" : "cat") + lines_renamed;
  }
  fs::copy_file(source / "img/03.png", source / "img/twin.png");
  lines += "img/twin.png,1,1,9,9,dog\n";
  fs::copy_file(source / "img/03.png", renamed / "img/twin.png");
  lines_renamed += "img/twin.png,1,1,9,9,dog\n";
  write_text(source / "annotations.csv", lines);
  write_text(renamed / "annotations.csv", lines_renamed);
  const auto widths_in_val = [&](const fs::path& data, const std::string& out) {
    check_runs({"data", "split", data.string(), "--val", "0.2", (folder.path() / out).string()});
    std::multiset<int> widths;
    for (const Sample& sample : load_dataset(folder.path() / out, "val").samples) widths.insert(sample.width);
    return widths;
  };
  const auto val = widths_in_val(source, "a");
  CHECK(val == widths_in_val(renamed, "b"));
  CHECK(val == widths_in_val(folder.path() / "a", "c"));  // split anew, the same
  const auto dogs = std::distance(val.begin(), val.lower_bound(20 + rare));
  CHECK(val.count(23) != 1);                                // images of one content stay together
  CHECK((dogs == 2 || (dogs == 3 && val.count(23) == 2)));  // a fifth of ten different ones
  CHECK(static_cast<int>(val.size()) - dogs == 10);         // and of fifty
  CHECK(load_dataset(folder.path() / "a", "train").samples.size() + val.size() == images + 1);
  check_fails(2, {"data", "split", source.string(), "--val", "1", (folder.path() / "d").string()}, "between 0 and 1");
}
