// The rows on annotations and boxes of the table of faults, in each of the four formats, as a user meets them: the
// program, its exit code, message and files.
#include "tests/support/catch.h"
#include "tests/support/faulty_set.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

DatasetFormat any_form() {
  return GENERATE(DatasetFormat::Coco, DatasetFormat::Voc, DatasetFormat::Csv, DatasetFormat::Yolo);
}

const MadeImages kVal{{"v.png", {{}}}};

Files set_of(DatasetFormat format, const std::vector<MadeBox>& boxes) {
  return made_files(format, {{"a.png", boxes}}, kVal);
}

// Where a message says that the box of the image a.png stands, from 0.
std::string place_of(DatasetFormat format, int box) {
  if (format == DatasetFormat::Coco) return fmt::format("annotations[{}] (id {})", box, box + 1);
  if (format == DatasetFormat::Voc) return fmt::format("Annotations/a.xml:{}", 4 + 5 * box);
  if (format == DatasetFormat::Csv) return fmt::format("train.csv:{}", box + 1);
  return fmt::format("labels/train/a.txt:{}", box + 1);
}

std::vector<MadeBox> many(size_t count) {
  std::vector<MadeBox> boxes(count);
  for (size_t i = 0; i < count; ++i) {
    const auto x = static_cast<double>(i % 50), y = static_cast<double>(i / 50 % 30);
    boxes[i].corners = {x, y, x + 9, y + 9};
  }
  return boxes;
}

size_t count_of(const std::string& text, const std::string& word) {
  size_t count = 0;
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("fault: an unknown class is refused with its place, in every format", "[boxes][fault]") {
  const DatasetFormat format = any_form();
  CAPTURE(name_of(format));
  MadeBox cow;
  cow.label = "cow";
  FaultySet(set_of(format, {{}, cow}))
      .check_refused({"1 of 2 annotations refer to an unknown image or category, more than 1 %",
                      place_of(format, 1) + ": unknown category " +
                          (format == DatasetFormat::Coco || format == DatasetFormat::Yolo ? "7" : "'cow'")},
                     {}, 2);
}

TEST_CASE("fault: few unknown classes are dropped, counted, and the first ten listed, in every format",
          "[boxes][fault]") {
  const DatasetFormat format = any_form();
  CAPTURE(name_of(format));
  auto boxes = many(2000);
  for (size_t i = 100; i < 120; ++i) boxes[i].label = "cow";
  FaultySet set(set_of(format, boxes));
  set.check_taken({"20 annotations refer to an unknown image or category and are left out:",
                   place_of(format, 100) + ": unknown category", place_of(format, 109) + ": unknown category",
                   "… and 10 more", "1980 boxes"});
  CHECK(count_of(set.said, ": unknown category") == 10);
}

TEST_CASE("fault: bad boxes are dropped and listed with their places, or an error, in every format", "[boxes][fault]") {
  const DatasetFormat format = any_form();
  CAPTURE(name_of(format));
  FaultySet set(
      set_of(format, {{}, {{5, 5, 5, 9}}, {{9, 9, 2, 3}}, {{kNan, 2, 9, 9}}, {{70, 2, 80, 9}}, {{60, 40, 90, 90}}}));
  set.check_taken({"4 bad boxes are left out; the first: ", "1 boxes extend beyond their image and are clipped"});
  std::istringstream list(set.listed("bad_boxes.txt"));
  int box = 1;
  for (const char* why :
       {"has no positive width and height",
        format == DatasetFormat::Coco ? "has no positive width and height: is it x1, y1, x2, y2?"
                                      : "has no positive width and height: are its corners exchanged?",
        "has a value that is not a finite number", "lies outside the image"}) {
    std::string line;
    REQUIRE(std::getline(list, line));
    CHECK_THAT(line, Contains(fmt::format("annotation {} of image 1 (a.png, 64×48): the box [", box + 1)) &&
                         Catch::EndsWith(why));
    if (format != DatasetFormat::Coco) CHECK_THAT(line, Contains(place_of(format, box) + ": "));
    ++box;
  }
  CHECK(list.peek() == EOF);
  set.check_refused({"annotation 2 of image", "has no positive width", "--bad-boxes skip"}, {"--bad-boxes", "error"});
}

TEST_CASE("fault: a box under one pixel is counted, and is not a positive, in every format", "[boxes][fault]") {
  const DatasetFormat format = any_form();
  CAPTURE(name_of(format));
  FaultySet tiny(set_of(format, {{{20, 20, 20.2, 40}}}));
  tiny.check_taken({"1 boxes are less than one pixel wide or high"}, {"--set", "train.batch=1"});
  CHECK_THAT(tiny.log(), Contains("\"positives_per_image\":0.00"));
  FaultySet large(set_of(format, {{}}));
  large.check_taken({}, {"--set", "train.batch=1"});
  CHECK_THAT(large.log(), !Contains("\"positives_per_image\":0.00"));
  CHECK(large.said.find("narrower") == std::string::npos);
}

TEST_CASE("fault: images without boxes train, batches of them too, a set of them does not, in every format",
          "[boxes][fault]") {
  const DatasetFormat format = any_form();
  CAPTURE(name_of(format));
  FaultySet some(made_files(format, {{"a.png", {{}}}, {"b.png", {}}, {"c.png", {}}}, kVal));
  some.check_taken({"3 images, 1 boxes"}, {"--set", "train.batch=1", "--set", "train.steps=3"});
  CHECK(count_of(some.log(), "\"positives_per_image\":0.00") == 2);
  CHECK(count_of(some.log(), "\"loss\":") == 3);
  CHECK(count_of(some.log(), "null") == 0);
  FaultySet(made_files(format, {{"a.png", {}}, {"b.png", {}}}, kVal)).check_refused({"no usable box"});
}

TEST_CASE("fault: regions to ignore alone train in an image, and are refused as a set", "[boxes][fault]") {
  const DatasetFormat format = GENERATE(DatasetFormat::Coco, DatasetFormat::Voc);
  CAPTURE(name_of(format));
  MadeBox crowd;
  crowd.ignored = true;
  FaultySet some(made_files(format, {{"a.png", {{}}}, {"b.png", {crowd, crowd}}}, kVal));
  some.check_taken({"2 images, 1 boxes and 2 regions to ignore, 1 classes"},
                   {"--set", "train.batch=1", "--set", "train.steps=2"});
  CHECK(count_of(some.log(), "\"positives_per_image\":0.00") == 1);
  FaultySet(set_of(format, {crowd})).check_refused({"no usable box", "1 crowd or ignore regions"});
}

TEST_CASE("fault: ten thousand boxes in an image take no memory for each pair of a box and an anchor",
          "[boxes][fault]") {
  // At 512 x 384 pixels there are 512 · 384 / 64 · 4/3 · 9 = 37,000 anchors: with the boxes 1.5 GB of floats.
  const Arguments large{"--set", "input.short_side=384", "--set", "input.long_side=512", "--set", "train.batch=1"};
  // The address sanitizer, where it is there, keeps no freed memory.
  const std::string keeping_nothing = R"(export ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=1; exec "$0" "$@")";
  const auto memory_with = [&](size_t boxes) {
    FaultySet set(set_of(DatasetFormat::Coco, many(boxes)));
    const auto trained = run_fovea(set.arguments("run", joined({"--set", "train.steps=1"}, large)), keeping_nothing);
    CAPTURE(trained.err);
    CHECK(trained.exit_code == 0);
    CHECK_THAT(trained.out, Contains(fmt::format("{} boxes", boxes)));
    return trained.peak_memory;
  };
  const int64_t one = memory_with(1);
  CHECK(one > int64_t{10} << 20);
  CHECK(memory_with(10'000) - one < int64_t{100} << 20);
}
