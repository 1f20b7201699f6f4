// What the fixtures (format_fixtures_test.cpp) do not show of YOLO's, CSV and the formats that are read only: from one
// split to the next, on the command line, and with a folder of images of its own.
#include <fmt/format.h>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/format_files.h"
#include "tests/support/process.h"
#include "tests/support/refusal.h"
#include "tests/support/test_data.h"
#include "tools/data/formats/via_json.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

using Files = std::map<std::string, std::string>;

std::string refusal(OpenDataset& data, const std::string& split, ErrorKind kind = ErrorKind::Data) {
  return refusal_of([&] { data.reader->read(split); }, kind);
}

std::string refusal(const fs::path& folder, const LoadOptions& options, ErrorKind kind) {
  return refusal_of([&] { load_dataset(folder, "train", options); }, kind);
}

Files yolo(const std::string& train, const std::string& val) {
  return {{"data.yaml", "train: images/train\nval: images/val\nnames: [cat, dog]\n"},
          {"images/train/a.png", "image 100x100"},
          {"images/val/b.png", "image 100x100"},
          {"labels/train/a.txt", train},
          {"labels/val/b.txt", val}};
}

const std::string kKitti = "cat 0 0 0 3 4 33 34 0 0 0 0 0 0 0\n";

Files kitti() {
  return {{"labels/a.txt", kKitti + "DontCare -1 -1 -10 1 1 9 9 -1 -1 -1 -1 -1 -1 -1\n"},
          {"labels/b.txt", kKitti},
          {"images/a.png", "image 64x48"},
          {"images/b.png", "image 64x48"}};
}

}  // namespace

TEST_CASE("fault: YOLO: what is wrong with one split is not counted in the next", "[formats][fault]") {
  const TemporaryFolder folder;
  write_files(folder.path(), yolo("0 30 40 20 20\n1 50 50 20 20\n", "0 30 40 20 20\n"));
  OpenDataset data = open_dataset(folder.path());
  CHECK_THAT(refusal(data, "train"), Contains("the numbers of 2 of 2 labels look like pixels"));
  CHECK_THAT(refusal(data, "val"), Contains("the numbers of 1 of 1 labels look like pixels") && Contains("b.txt:1"));
}

TEST_CASE("YOLO: what the labels of one split turn out to be holds for the others", "[formats]") {
  // Seven numbers near the middle: a box with a key point, or a triangle.
  const std::string unclear = "0 0.4 0.4 0.42 0.44 0.45 0.4\n", triangle = "0 0.1 0.1 0.3 0.1 0.2 0.3\n";
  const TemporaryFolder folder;
  write_files(folder.path(), yolo(triangle, unclear));
  OpenDataset data = open_dataset(folder.path());
  CHECK_THAT(refusal(data, "val"), Contains("\"kpt_shape: [1, 2]\" or the line \"task: segment\""));
  CHECK(data.reader->read("train").objects.at(0).bbox == std::array<double, 4>{10, 10, 20, 20});
  CHECK(data.reader->read("val").objects.at(0).bbox == std::array<double, 4>{40, 40, 5, 4});
  write_files(folder.path(), {{"data.yaml", "train: images/train\nnames: [cat]\ntask: pose\n"}});
  CHECK(load_dataset(folder.path(), "train").samples.at(0).objects.at(0).bbox[2] == 30);  // the box's own width
}

TEST_CASE("fault: YOLO: a line that is none of the known kinds is refused with its place", "[formats][fault]") {
  const TemporaryFolder folder;
  const auto train = [&](const std::string& labels) {
    write_files(folder.path(), yolo(labels, "0 0.5 0.5 0.5 0.5\n"));
    return refusal(folder.path(), {}, ErrorKind::Data);
  };
  CHECK_THAT(train("0 0.5 0.5 0.2 0.2 0.9 7\n"), Contains("a.txt:1: has 7 numbers") && Contains("a track id"));
  CHECK_THAT(train("0 0.5 0.5 0.2 0.2\n0 0.1 0.1 0.2 0.1 0.2 0.3 0.9\n"), Contains("a.txt:2: has 8 numbers"));
  CHECK_THAT(train("0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2 0.5 0.5 2\n"),
             Contains("a.txt:2: has 8 numbers") && Contains("kpt_shape"));
  CHECK_THAT(train("0 0.1 0.1 0.2 0.1 7 0.3\n1 0.1 0.1 0.2 0.1 0.2 0.3 0.1 0.3\n"),
             Contains("a.txt:1: has 7 numbers") && Contains("far outside the image"));
}

TEST_CASE("YOLO: labels ending in .TXT are labels, and a dataset in one folder below is read", "[formats]") {
  const TemporaryFolder folder;
  write_files(folder.path(), {{"upper/classes.txt", "cat\n"},
                              {"upper/a.png", "image 100x100"},
                              {"upper/a.TXT", "0 0.5 0.5 0.5 0.5\n"},
                              {"above/set/labels/a.txt", "0 0.5 0.5 0.5 0.5\n"},
                              {"above/set/images/a.png", "image 100x100"},
                              {"above/set/data.yaml", "train: images\nnames: [cat]\n"}});
  CHECK(load_dataset(folder.path() / "upper", "all").report.objects == 1);
  const Dataset below = load_dataset(folder.path() / "above", "train");
  CHECK(below.report.objects == 1);
  CHECK_THAT(below.report.text(), Contains("is no dataset, but holds one, which is read: ") && Contains("above/set"));
  write_files(folder.path(), {{"above/__MACOSX/set/data.yaml", "x"}, {"above/docs/readme.txt", "x"}});
  CHECK(load_dataset(folder.path() / "above", "train").report.objects == 1);
  write_files(folder.path(), {{"above/photos/b.png", "image 64x48"}});
  CHECK_THAT(refusal(folder.path() / "above", {}, ErrorKind::Data),
             Contains("above/set/data.yaml describes a dataset: name its folder"));
  write_files(folder.path(), {{"deep/a/b/data.yaml", "train: images\nnames: [cat]\n"},
                              {"deep/a/b/images/a.png", "image 100x100"},
                              {"deep/a/b/labels/a.txt", "0 0.5 0.5 0.5 0.5\n"}});
  CHECK_THAT(refusal(folder.path() / "deep", {}, ErrorKind::Data),
             Contains("deep/a/b/data.yaml describes a dataset: name its folder"));
  write_files(folder.path(), {{"two/one.yaml", "train: images\nnames: [cat]\n"},
                              {"two/other.yaml", "train: images\nnames: [dog]\n"},
                              {"two/images/a.png", "image 100x100"},
                              {"two/labels/a.txt", "0 0.5 0.5 0.5 0.5\n"}});
  CHECK_THAT(refusal(folder.path() / "two", {}, ErrorKind::Data),
             Contains("two/one.yaml and ") && Contains("two/other.yaml describe datasets: name one of them"));
}

TEST_CASE("fault: a file that is called like a split's says what it holds instead of boxes", "[formats][fault]") {
  const TemporaryFolder folder;
  write_files(folder.path(), {{"train.csv", "a.png;1;2;11;22\n"}, {"a.png", "image 64x48"}});
  for (const LoadOptions& options : {LoadOptions{}, LoadOptions{.format = DatasetFormat::Csv}})
    CHECK_THAT(refusal(folder.path(), options, ErrorKind::Data),
               Contains("train.csv:1: has 5 fields separated by semicolons; expected path,x1,y1,x2,y2,class"));
}

TEST_CASE("fault: a heading is never read by position: what it lacks and what is not known is said",
          "[formats][fault]") {
  const TemporaryFolder folder;
  const auto fault = [&](const std::string& heading, const std::string& file = "train.csv") {
    write_files(folder.path(), {{file, heading + "\na.png,1,2,11,22,cat\n"}, {"a.png", "image 64x48"}});
    return refusal(file == "train.csv" ? folder.path() : folder.path() / file, {}, ErrorKind::Data);
  };
  CHECK_THAT(fault("path,a,b,c,d,class"), Contains("this one names no box; not known: a, b, c, d"));
  CHECK_THAT(fault("path,x1,y1,x2,y2,species"), Contains("this one names no class; not known: species"));
  CHECK_THAT(fault("was,x1,y1,x2,y2,class"), Contains("this one names no path; not known: was"));
  CHECK_THAT(fault("eins,zwei,drei,vier,fuenf,sechs"), Contains("has 6 fields separated by commas; expected"));
  CHECK_THAT(fault("path,a,b,c,d,class", "boxes.csv"),
             Contains("boxes.csv:1: has 6 fields") && Contains("names no box"));
}

TEST_CASE("fault: a table for AutoML is refused where its corners are pixels or its rows are not whole",
          "[formats][fault]") {
  const TemporaryFolder folder;
  const auto fault = [&](const std::string& row) {
    write_files(folder.path(),
                {{"a.csv", "TRAIN,gs://b/a.png,cat,0.1,0.2,,,0.5,0.6,,\n" + row}, {"a.png", "image 64x48"}});
    return refusal(folder.path(), {}, ErrorKind::Data);
  };
  CHECK_THAT(fault("TRAIN,gs://b/a.png,cat,1,2,,,30,40,,\n"), Contains("a.csv:2: expected SET,gs://"));
  CHECK_THAT(fault("LATER,gs://b/a.png,cat,0.1,0.2,,,0.5,0.6,,\n"), Contains("a.csv:2: expected SET,gs://"));
  CHECK_THAT(fault("TRAIN,gs://b/a.png,,0.1,0.2,,,0.5,0.6,,\n"), Contains("a.csv:2: the label is empty"));
  CHECK_THAT(fault("TRAIN,gs://b/a.png,cat,0.1,0.2,,,,,,\n"), Contains("a.csv:2: has no box"));
  CHECK_THAT(fault("TRAIN,,cat,0.1,0.2,,,0.5,0.6,,\n"), Contains("a.csv:2: the path is empty"));
}

TEST_CASE("fault: boxes of a table in one field are four numbers, and said where they look like corners",
          "[formats][fault]") {
  const TemporaryFolder folder;
  const std::string heading = "image_id,bbox\n";
  write_files(folder.path(), {{"train.csv", heading + "a,\"[1, 2, 3]\"\n"}, {"a.png", "image 64x48"}});
  CHECK_THROWS_WITH(load_dataset(folder.path(), "train"),
                    Contains("train.csv:2: the box: expected four numbers, found \"[1, 2, 3]\""));
  write_files(folder.path(), {{"train.csv", heading + "a,\"(30 20 60 40)\"\na,\"[40, 10, 62, 45]\"\n"}});
  CHECK_THAT(load_dataset(folder.path(), "train").report.text(), Contains("the boxes look like x1, y1, x2, y2"));
}

TEST_CASE("the folder of the images can be named for CSV, LabelMe and VIA, and not where images have their place",
          "[formats]") {
  const TemporaryFolder folder;
  const fs::path set = folder.path() / "set", images = folder.path() / "pictures";
  write_files(images, {{"a.png", "image 64x48"}});
  const Files sets{{"csv/train.csv", "a.png,3,4,33,34,cat\n"},
                   {"labelme/train/a.json",
                    R"({"imagePath": "a.png", "imageWidth": 64, "imageHeight": 48, "shapes": [{"label": "cat",
                        "shape_type": "rectangle", "points": [[3, 4], [33, 34]]}]})"},
                   {"via/train/via_region_data.json",
                    R"({"a.png1": {"filename": "a.png", "regions": [{"region_attributes": {"class": "cat"},
                        "shape_attributes": {"name": "rect", "x": 3, "y": 4, "width": 30, "height": 30}}]}})"}};
  write_files(set, sets);
  for (const char* format : {"csv", "labelme", "via"}) {
    CAPTURE(format);
    const Dataset data = load_dataset(set / format, "train", {.images = images});
    REQUIRE(data.samples.size() == 1);
    CHECK(data.samples[0].file_name == "a.png");
    CHECK(data.image_root == images);
    CHECK(data.samples[0].objects.at(0).bbox == std::array<double, 4>{3, 4, 30, 30});
  }
  write_files(set / "yolo", yolo("0 0.5 0.5 0.5 0.5\n", ""));
  write_files(set / "kitti", kitti());
  for (const char* format : {"yolo", "kitti"})
    CHECK_THAT(refusal(set / format, {.images = images}, ErrorKind::Usage), Contains("no other folder of them"));
}

TEST_CASE("a dataset in a format that is only read converts to one that is written, box for box", "[formats]") {
  const TemporaryFolder folder;
  const std::string set = (folder.path() / "set").string(), out = (folder.path() / "out").string();
  write_files(set, kitti());
  const auto converted = run_fovea({"data", "convert", set, "--to", "coco", out});
  CAPTURE(converted.out, converted.err);
  REQUIRE(converted.exit_code == 0);
  const Dataset data = load_dataset(out, "all");
  REQUIRE(data.samples.size() == 2);
  CHECK(data.report.crowds == 1);
  CHECK(data.samples[1].objects.at(0).bbox == std::array<double, 4>{3, 4, 30, 30});
  const auto to_kitti = run_fovea({"data", "convert", set, "--to", "kitti", out + "2"});
  CHECK(to_kitti.exit_code == 2);
  CHECK_THAT(to_kitti.err, Contains("kitti"));
  const auto split = run_fovea({"data", "split", set, "--val", "0.5", out + "3"});
  CHECK(split.exit_code == 2);
  CHECK_THAT(split.err, Contains("the format kitti is read only: add --to coco, voc, csv or yolo"));
  CHECK(run_fovea({"data", "split", set, "--val", "0.5", "--to", "yolo", out + "4"}).exit_code == 0);
}

TEST_CASE("fault: a table of VIA without a column that is needed is refused by it", "[formats][fault]") {
  const TemporaryFolder folder;
  write_files(folder.path(), {{"via.csv", "region_shape_attributes,region_count\n{},1\n"}});
  CHECK_THROWS_WITH(read_via(folder.path() / "via.csv"), Contains("via.csv:1: expected columns filename"));
}
