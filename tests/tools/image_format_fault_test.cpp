// The rows on images of the table of faults in each of the four formats, which differ in where an image's size comes
// from: the annotations (COCO, VOC) or the file's head (CSV, YOLO, and VOC without sizes).
#include "tests/support/catch.h"
#include "tests/support/faulty_set.h"
#include "tests/support/test_data.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

DatasetFormat any_form() {
  return GENERATE(DatasetFormat::Coco, DatasetFormat::Voc, DatasetFormat::Csv, DatasetFormat::Yolo);
}

const MadeImages kVal{{"v.png", {{}}}};

std::string bytes_of(const std::string& file) { return read_text(test_data(file)); }

MadeImage photograph(const std::string& name, int width, int height) {
  return {name, {{}}, bytes_of("hard_cases/" + name), width, height};
}

// 504 in the head of the photograph and 378 beside it, changed to 65500 each.
MadeImage huge_image() {
  MadeImage image = photograph("baseline_rgb.jpg", 65500, 65500);
  const std::string size = {504 >> 8, static_cast<char>(504 & 255), 378 >> 8, static_cast<char>(378 & 255)};
  const size_t at = image.content.find(size);
  REQUIRE(at != std::string::npos);
  for (size_t i = at; i < at + 4; i += 2) {
    image.content[i] = static_cast<char>(65500 >> 8);
    image.content[i + 1] = static_cast<char>(65500 & 255);
  }
  image.name = "huge.jpg";
  return image;
}

// All images in one batch, small.
Arguments all_at_once(const MadeImages& images) {
  return {"--set", fmt::format("train.batch={}", images.size()), "--set", "input.short_side=16"};
}

struct Unusable {
  MadeImage image;
  const char* why;
};
std::vector<Unusable> unusable() {
  return {
      {{"none.jpg", {{}}}, "no such file"},
      {{"empty.jpg", {{}}, ""}, "is empty (0 bytes)"},
      {{"text.jpg", {{}}, "hello, I am a text"}, "is not a JPEG, PNG, WebP, BMP or TIFF image: it begins with \"hello"},
      {photograph("truncated_60pct.jpg", 378, 504), "damaged or truncated JPEG"},
      {photograph("truncated_header_200bytes.jpg", 378, 504), "damaged or truncated JPEG"}};
}

}  // namespace

TEST_CASE("fault: unusable images are skipped and listed, or an error, in every format", "[images][fault]") {
  const DatasetFormat format = any_form();
  CAPTURE(name_of(format));
  MadeImages images;
  for (int i = 0; i < 500; ++i) images.push_back({fmt::format("{}.png", i), {{{1, 2, 12, 13}}}, "image 20x15", 20, 15});
  for (const Unusable& one : unusable()) images.push_back(one.image);
  MadeImage misnamed{"png.jpg", {{}}, bytes_of("hard_cases/png_named.jpg"), 189, 252};  // its bytes say what it is
  images.push_back(misnamed);
  Files files = made_files(format, images, kVal);
  files.erase(places(format, "train", images).images + "none.jpg");
  FaultySet set(files);
  // A folder of images cannot tell which are missing: there the labels do.
  const bool by_labels = format == DatasetFormat::Yolo;
  const std::string lone = "data.yaml: 1 label files for train have no image; the first: ";
  set.check_taken(by_labels ? std::vector{lone, std::string("labels/train/none.txt")} : std::vector<std::string>{},
                  all_at_once(images));
  const std::string list = set.listed("bad_images.txt");
  CAPTURE(list);
  CHECK(lines_in(list) == (by_labels ? 4 : 5));
  for (const Unusable& one : unusable()) {
    if (by_labels && one.image.name == "none.jpg") continue;
    const size_t at = list.find(one.image.name + "\t");
    REQUIRE(at != std::string::npos);
    CHECK_THAT(list.substr(at, list.find('\n', at) - at), Contains(one.why));
  }
  const auto strict = run_fovea(
      set.arguments("strict", joined({"--bad-images", "error", "--set", "train.steps=1"}, all_at_once(images))));
  CHECK(strict.exit_code == 3);
  CHECK(lines_in(strict.err) == 1);
  CHECK_THAT(strict.err, Contains("--bad-images skip"));
}

TEST_CASE("fault: more than one in a hundred unusable images are an error, in every format", "[images][fault]") {
  const DatasetFormat format = any_form();
  CAPTURE(name_of(format));
  MadeImages images;
  for (int i = 0; i < 98; ++i) images.push_back({fmt::format("{}.png", i), {{{1, 2, 12, 13}}}, "image 20x15", 20, 15});
  images.push_back({"empty.jpg", {{}}, ""});
  FaultySet(made_files(format, images, kVal)).check_taken({}, all_at_once(images));  // 1 of 100
  images.push_back({"text.jpg", {{}}, "hello"});
  FaultySet(made_files(format, images, kVal)).check_refused({"2 of 101 images", "more than 1 %"}, all_at_once(images));
}

TEST_CASE("fault: every color format, turned images, 1x1 and 4000x40 train in every format", "[images][fault]") {
  const DatasetFormat format = any_form();
  CAPTURE(name_of(format));
  MadeImages images;
  for (const char* name : {"baseline_rgb.jpg", "trailing_garbage.jpg", "greyscale.jpg", "cmyk.jpg", "progressive.jpg",
                           "subsampling_422.jpg", "exif_orientation6.jpg", "exif_orientation3.jpg", "jpeg_named.png"})
    images.push_back(photograph(name, 378, 504));
  for (const char* name : {"png_named.jpg", "alpha_rgba.png", "palette_8bit.png", "grey_8bit.png", "bilevel_1bit.png"})
    images.push_back(photograph(name, 189, 252));
  for (const char* name : {"rgb_16bit.png", "grey_16bit.png"}) images.push_back(photograph(name, 126, 168));
  images.push_back(photograph("panorama_4000x40.jpg", 4000, 40));
  images.push_back(photograph("tall_40x4000.jpg", 40, 4000));
  for (const char* name : {"one_pixel.png", "UPPER CASE and space.JPG"})
    images.push_back(name[0] == 'o' ? photograph(name, 1, 1) : photograph(name, 378, 504));
  images[images.size() - 2].boxes = {{{0, 0, 1, 1}}};
  FaultySet set(made_files(format, images, kVal));
  set.check_taken({fmt::format("train: {} images, {} boxes", images.size(), images.size())},
                  joined({"--bad-images", "error"}, all_at_once(images)));
  CHECK_FALSE(fs::exists(set.run("run") / "bad_images.txt"));
}

TEST_CASE("fault: an image of another size than annotated is refused by name", "[images][fault]") {
  const DatasetFormat format = GENERATE(DatasetFormat::Coco, DatasetFormat::Voc);
  CAPTURE(name_of(format));
  FaultySet(made_files(format, {{"a.png", {{}}, "image 48x64"}}, kVal))
      .check_refused({"a.png: the image is 48x64, the annotations say 64x48"}, {"--bad-images", "error"});
}

TEST_CASE("fault: an image beyond the pixel limit is refused by its head, in every format", "[images][fault]") {
  const DatasetFormat format = any_form();
  CAPTURE(name_of(format));
  FaultySet set(made_files(format, {{"a.png", {{}}}, huge_image()}, kVal));
  set.check_refused({"huge.jpg: 65500×65500 pixels are more than the limit of 100000000"},
                    {"--bad-images", "error", "--set", "train.batch=2"});
  const auto trained = run_fovea(set.arguments("run", {"--bad-images", "error", "--set", "train.steps=1"}));
  CHECK(trained.peak_memory < int64_t{1} << 30);  // the pixels would be 12.9 GB
}
