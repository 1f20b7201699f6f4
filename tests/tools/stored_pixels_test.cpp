// Images that Exif turns and whose boxes were drawn on the pixels as they are stored.
#include "tests/support/catch.h"
#include "tests/support/data_command.h"
#include "tests/support/made_image.h"
#include "tests/support/training_folder.h"
#include "tools/config/config.h"
#include "tools/data/loading/image_source.h"
#include "tools/image/image_size.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

// Two splits of two turned images each, annotated as stored, 64×48, or as turned, 48×64.
void write_set(const fs::path& folder, int width, int height, int orientation) {
  for (const std::string split : {"train", "val"}) {
    std::vector<std::string> images, boxes;
    for (const int id : {1, 2}) {
      const std::string name = split + std::to_string(id) + ".png";
      make_image(folder / split / name, 64, 48, orientation);
      images.push_back(coco_image(id, name, width, height));
      boxes.push_back(coco_box(id, id, id, "4, 6, 30, 20"));
    }
    make_folder(folder / "annotations");
    write_file(folder / "annotations" / ("instances_" + split + ".json"), coco(images, boxes));
  }
}

}  // namespace

TEST_CASE("stored pixels: an image is not turned where only so it has the annotated size", "[images]") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "a.png";
  make_image(path, 64, 48, 6);
  make_image(folder.path() / "plain.png", 64, 48);
  const Image stored = read_image(path, {.annotated_width = 64, .annotated_height = 48});
  CHECK((stored.width == 64 && stored.height == 48));
  const Image turned = read_image(path);
  CHECK((turned.width == 48 && turned.height == 64));
  CHECK(std::equal(&stored.rgb[0], &stored.rgb[3], &turned.rgb[3 * 47]));  // top left, top right
  CHECK(read_image(path, {.annotated_width = 48, .annotated_height = 64}).rgb == turned.rgb);
  CHECK(read_image(path, {.annotated_width = 60, .annotated_height = 48}).rgb == turned.rgb);
  CHECK(read_image_size(path, {64, 48}).as_stored);
  CHECK_FALSE(read_image_size(path, {48, 64}).as_stored);
  CHECK_FALSE(read_image_size(folder.path() / "plain.png", {64, 48}).as_stored);
}

TEST_CASE("stored pixels: check, training and conversion take such a set and say so", "[data]") {
  const TrainingFolder trainings;
  write_set(trainings.data, 64, 48, 6);
  const auto checked = run_fovea({"data", "check", trainings.data.string(), "--out", trainings.run("check").string()});
  CHECK(checked.exit_code == 0);
  CHECK_THAT(checked.out, Contains("used as stored, without Exif") && Contains("2 of 2 images looked at") &&
                              Contains("training accepts this dataset"));
  const auto trained = run_fovea(trainings.arguments("run", {"--set", "train.steps=1", "train.batch=1"}));
  CHECK(trained.exit_code == 0);
  CHECK_FALSE(fs::exists(trainings.run("run") / "bad_images.txt"));
  for (const char* format : {"yolo", "coco"}) {
    const fs::path out = trainings.run(format);
    const auto converted = run_fovea({"data", "convert", trainings.data.string(), "--to", format, out.string()});
    CHECK(converted.exit_code == 0);
    CHECK_THAT(converted.out, Contains("4 images are written as PNG"));
    const Dataset data = load_dataset(out, "train");
    REQUIRE(data.samples.size() == 2);
    CHECK((data.samples[0].width == 64 && data.samples[0].height == 48));
    CHECK(data.samples[0].objects.at(0).bbox == std::array<double, 4>{4, 6, 30, 20});
    CHECK(read_image(data.image_root / data.samples[0].file_name).width == 64);
  }
}

TEST_CASE("stored pixels: training reads them as the boxes are, and turned ones as Exif says", "[loader]") {
  const TemporaryFolder folder;
  for (const bool stored : {true, false}) {
    const fs::path set = folder.path() / (stored ? "stored" : "turned");
    write_set(set, stored ? 64 : 48, stored ? 48 : 64, 8);
    const Dataset data = load_dataset(set, "train");
    CHECK(data.report.warnings.size() == (stored ? 1 : 0));
    BadFiles bad(2);
    ImageSource source(data, preset("tiny").input, bad, 0);
    const LabeledImage read = source.read(0);
    REQUIRE(read.image);
    CHECK((read.full.width == data.samples[0].width && read.full.height == data.samples[0].height));
    CHECK((read.image->width == (stored ? 64 : 48)));
    CHECK(bad.count() == 0);
  }
}
