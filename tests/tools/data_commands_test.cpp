// `fovea data check`, `show`, `stats`, and `fovea anchors`, as their users meet them.
#include <simdjson.h>

#include "model/anchors.h"
#include "tests/support/catch.h"
#include "tests/support/data_command.h"
#include "tests/support/format_files.h"
#include "tests/support/test_data.h"
#include "tests/support/training_data.h"
#include "tools/analysis/anchor_fit.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

using Files = std::map<std::string, std::string>;

// ---- check

namespace {

// What `fovea data check` says, as JSON; the program's exit code.
struct Checked {
  int exit_code;
  std::string out, err;
  simdjson::dom::parser parser;
  simdjson::dom::element json;
  Checked(const fs::path& data, const fs::path& out_folder, std::vector<std::string> more = {}) {
    fs::create_directories(out_folder);
    std::vector<std::string> arguments{"data",
                                       "check",
                                       data.string(),
                                       "--preset",
                                       "tiny",
                                       "--json",
                                       (out_folder / "check.json").string(),
                                       "--out",
                                       out_folder.string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto result = run(arguments);
    exit_code = result.exit_code;
    out = result.out;
    err = result.err;
    if (fs::exists(out_folder / "check.json")) json = parser.load((out_folder / "check.json").string());
  }
  size_t count(size_t split, const char* key) const {
    const auto value = json["splits"].at(split)[key];
    return value.is_array() ? value.get_array().size() : static_cast<size_t>(int64_t(value));
  }
};

void copy_image(const std::string& name, const fs::path& to) { fs::copy_file(test_data("hard_cases/" + name), to); }

}  // namespace

TEST_CASE("check finds every kind of fault in a set that was broken on purpose, and lists them", "[data]") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data", out = folder.path() / "out";
  std::vector<std::string> images, boxes;
  Files files;
  for (int i = 1; i <= 4; ++i) {
    images.push_back(coco_image(i, fmt::format("{}.png", i), 400, 300));
    files[fmt::format("train/{}.png", i)] = "image 400x300";
  }
  for (const auto& [id, name, width, height] :
       std::vector<std::tuple<int, std::string, int, int>>{{5, "zero_byte.jpg", 9, 9},
                                                           {6, "text_file.jpg", 9, 9},
                                                           {7, "truncated_60pct.jpg", 378, 504},
                                                           {8, "absent.jpg", 9, 9},
                                                           {9, "png_named.jpg", 189, 252},
                                                           {10, "one_pixel.png", 2, 2}})
    images.push_back(coco_image(id, name, width, height));
  boxes = {coco_box(1, 1, 1, "1, 1, 50, 50"),
           coco_box(2, 1, 1, "1, 1, 50, 50"),
           coco_box(3, 1, 2, "9, 9, 1, 1"),
           coco_box(4, 2, 1, "1, 1, 0, 5"),
           coco_box(5, 2, 1, "1, 1, NaN, 5"),
           coco_box(6, 2, 1, "1, 1, 5"),
           coco_box(7, 2, 1, "500, 1, 5, 5"),
           coco_box(8, 3, 1, "-9, 1, 50, 50"),
           coco_box(9, 3, 1, "5, 5, 90, 90", R"(, "iscrowd": 1)")};
  for (int i = 10; i < 210; ++i) boxes.push_back(coco_box(i, 9, 1, fmt::format("{}, 2, 30, 40", i % 100)));
  boxes.push_back(coco_box(300, 77, 1, "1, 1, 5, 5"));
  boxes.push_back(coco_box(301, 1, 5, "1, 1, 5, 5"));
  files["annotations/instances_train.json"] = coco(images, boxes);
  files["annotations/instances_val.json"] =
      coco({coco_image(1, "copy.png", 400, 300)}, {coco_box(1, 1, 1, "1, 1, 50, 50")},
           R"({"id": 1, "name": "cat"}, {"id": 2, "name": "wolf"}, {"id": 3, "name": "bird"})");
  write_files(data, files);
  for (const char* name : {"zero_byte.jpg", "text_file.jpg", "truncated_60pct.jpg", "png_named.jpg", "one_pixel.png"})
    copy_image(name, data / "train" / name);
  fs::create_directories(data / "val");
  fs::copy_file(data / "train/4.png", data / "val/copy.png");

  const Checked checked(data, out);
  CHECK(checked.exit_code == 3);
  CHECK_THAT(checked.err,
             Contains("training would reject this dataset") && Contains("5 of 11 images of train and val"));
  CHECK(checked.count(0, "images") == 10);
  CHECK(checked.count(0, "missing_images") == 1);
  CHECK(checked.count(0, "unreadable_images") == 3);
  CHECK(checked.count(0, "images_of_other_size") == 1);
  CHECK(checked.count(0, "misnamed_images") == 1);
  CHECK(checked.count(0, "bad_boxes") == 4);
  CHECK(checked.count(0, "tiny_boxes") == 1);
  CHECK(checked.count(0, "duplicate_boxes") == 1 + 100);
  CHECK(checked.count(0, "clipped_boxes") == 1 + 0);
  CHECK(checked.count(0, "unknown_references") == 2);
  CHECK(checked.count(0, "crowds") == 1);
  CHECK(checked.count(0, "images_without_objects") == 7);
  CHECK(checked.count(1, "images") == 1);
  CHECK(checked.json["same_content"].get_array().size() == 1);
  CHECK_THAT(std::string(checked.json["same_content"].at(0)), Contains("4.png (train)") && Contains("copy.png (val)"));
  const std::string classes = simdjson::minify(checked.json["classes_that_differ"]);
  CHECK_THAT(classes, Contains("2 (dog) has boxes in train only") && Contains("3 (bird) has no boxes") &&
                          Contains("2 is 'dog' in train but 'wolf' in val"));
  const std::string listed = read_text(out / "bad_images.txt");
  for (const char* name :
       {"absent.jpg\t", "zero_byte.jpg\t", "text_file.jpg\t", "truncated_60pct.jpg\t", "one_pixel.png\t"})
    CHECK_THAT(listed, Contains(name));
  CHECK_THAT(read_text(out / "bad_boxes.txt"), Contains("train: annotation 4 of image 2"));

  // Damage behind the head is not seen when only heads are looked at.
  const Checked quick(data, folder.path() / "quick", {"--headers-only"});
  CHECK(quick.count(0, "unreadable_images") == 2);
  check_fails(2, {"data", "check", data.string(), "--out", data.string()}, "lies inside the dataset");
  check_fails(3, {"data", "check", (data.parent_path() / "mistyped").string(), "--out", data.parent_path().string()},
              "mistyped: does not exist");
}

TEST_CASE("check passes the real sets, and writes nothing where nothing is wrong", "[data]") {
  const TemporaryFolder folder;
  const Checked cards(test_data("cards"), folder.path() / "cards");
  CHECK(cards.exit_code == 0);
  CHECK_THAT(cards.out, Contains("training accepts this dataset"));
  CHECK(cards.count(0, "boxes") == 11);
  CHECK_FALSE(fs::exists(folder.path() / "cards/bad_images.txt"));
  const Checked cells(test_data("bccd_voc"), folder.path() / "cells");
  CHECK(cells.exit_code == 0);
  CHECK(cells.count(0, "bad_boxes") == 1);
  CHECK(fs::exists(folder.path() / "cells/bad_boxes.txt"));
}

TEST_CASE("check writes its lists into the current folder, but never into the dataset", "[data]") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data";
  fs::create_directories(data.parent_path());
  fs::copy(test_data("bccd_voc"), data, fs::copy_options::recursive);
  const auto outside = run({"data", "check", data.string()}, "cd '" + folder.path().string() + "' && \"$0\" \"$@\"");
  CHECK(outside.exit_code == 0);
  CHECK(fs::exists(folder.path() / "bad_boxes.txt"));
  const auto inside = run({"data", "check", "."}, "cd '" + data.string() + "' && \"$0\" \"$@\"");
  CHECK(inside.exit_code == 0);
  CHECK_THAT(inside.out, Contains("are not written into the dataset"));
  CHECK_FALSE(fs::exists(data / "bad_boxes.txt"));
}

// ---- show, stats, anchors

TEST_CASE("show draws a contact sheet, each picture, or one image by id or name", "[data]") {
  const TemporaryFolder folder;
  const std::string data = test_data("cards").string();
  const auto all =
      run({"data", "show", data, "--preset", "tiny", "--count", "4", "--out", (folder.path() / "all").string()});
  REQUIRE(all.exit_code == 0);
  CHECK(fs::exists(folder.path() / "all/contact_sheet.png"));
  CHECK(std::distance(fs::directory_iterator(folder.path() / "all"), fs::directory_iterator()) == 5);
  const Sample sample = load_dataset(data, "train").samples.at(2);
  for (const std::string& name : {std::to_string(sample.id), sample.file_name}) {
    const fs::path out = folder.path() / ("one " + name);
    check_runs({"data", "show", data, "--image", name, "--out", out.string()});
    CHECK(std::distance(fs::directory_iterator(out), fs::directory_iterator()) == 1);
  }
  check_fails(3, {"data", "show", data, "--image", "none.jpg", "--out", (folder.path() / "x").string()},
              "--image none.jpg: the split train has no image");
  check_fails(3, {"data", "show", data, "--split", "test"}, "has no split 'test'");
  check_fails(2, {"data", "show", data, "--augment", "-1"}, "--augment: must be at least 0");
}

TEST_CASE("fault: each command about data says which output folder it cannot create", "[data][fault]") {
  const TemporaryFolder folder;
  write_files(folder.path(), {{"file", "x"}});
  const std::string data = test_data("cards").string(), out = (folder.path() / "file/out").string();
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"data", "show"}, {"data", "stats"}, {"anchors"}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {data, "--preset", "tiny", "--out", out});
    check_fails(2, arguments, "file/out: cannot create the folder");
  }
}

TEST_CASE("show draws boxes that no anchor matches in red, others not", "[data]") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data";
  write_files(data, {{"train.csv", "a.png,10,10,74,74,cat\na.png,100,20,103,90,cat\n"}, {"a.png", "image 128x96"}});
  check_runs(
      {"data", "show", data.string(), "--preset", "tiny", "--image", "1", "--out", (folder.path() / "out").string()});
  const Image drawn = read_image(folder.path() / "out/1_a.png");
  const auto red = [&](int x, int y) {
    const uint8_t* rgb = &drawn.rgb[static_cast<size_t>(y * drawn.width + x) * 3];
    return rgb[0] == 230 && rgb[1] == 0 && rgb[2] == 0;
  };
  CHECK_FALSE(red(10, 40));
  CHECK(red(100, 60));
}

TEST_CASE("stats count boxes of classes, images, sizes and shapes", "[data]") {
  const TemporaryFolder folder;
  const fs::path out = folder.path() / "out";
  check_runs({"data", "stats", test_data("cards").string(), "--out", out.string()});
  simdjson::dom::parser parser;
  const simdjson::dom::element json = parser.load((out / "stats.json").string());
  const auto train = json["splits"].at(0);
  CHECK(int64_t(train["images"]) == 6);
  CHECK(int64_t(train["boxes"]) == 11);
  int64_t sum = 0, images = 0;
  for (const auto field : simdjson::dom::object(train["boxes_of_class"])) sum += int64_t(field.value);
  for (const auto value : train["boxes_of_image"]["images"]) images += int64_t(value);
  CHECK((sum == 11 && images == 6));
  CHECK(read_image(out / "stats.png").width == 1280);
}

TEST_CASE("the best anchor of a box is that of all anchors, one by one", "[data]") {
  const Dataset data = load_dataset(FOVEA_SOURCE_DIR "/examples/blood_cells", "val");
  Config config = preset("demo");
  config.model.anchors.offset = GENERATE(0, 0.5);
  config.model.anchors.inclusive = config.model.anchors.offset > 0;
  const ScaledBoxes boxes = boxes_at_size(data, config.input);
  const auto matches = best_anchors(boxes, config.model.anchors);
  REQUIRE(boxes.grids.size() == 1);
  const AnchorGrid& grid = boxes.grids[0];
  const auto anchors = make_anchors(config.model.anchors, grid.image, {grid.levels.begin(), grid.levels.end()});
  for (size_t b = 0; b < boxes.boxes.size(); b += 29) {
    const ScaledBox& box = boxes.boxes[b];
    double best = 0;
    for (size_t a = 0; a < anchors.size(); a += 4) {
      const double w = std::min<double>(box.x2, anchors[a + 2]) - std::max<double>(box.x1, anchors[a]);
      const double h = std::min<double>(box.y2, anchors[a + 3]) - std::max<double>(box.y1, anchors[a + 1]);
      if (w <= 0 || h <= 0) continue;
      const double area = (box.x2 - box.x1) * (box.y2 - box.y1) +
                          (double{anchors[a + 2]} - anchors[a]) * (double{anchors[a + 3]} - anchors[a + 1]);
      best = std::max(best, w * h / (area - w * h));
    }
    // make_anchors adds in fp32: edges below 512 are off by 2^-15 at most, four of them over sides of 8 and more.
    CHECK(std::abs(matches[b].iou - best) < 4 * 0x1p-15 / 8);
  }
}

TEST_CASE("fitted anchors cover more than those before, and train takes their configuration as it is", "[data]") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data", out = folder.path() / "anchors";
  make_data(data, 6, 2);
  const auto result = run({"anchors", data.string(), "--preset", "tiny", "--out", out.string()});
  REQUIRE(result.exit_code == 0);
  simdjson::dom::parser parser;
  const simdjson::dom::element json = parser.load((out / "anchors.json").string());
  CHECK(double(json["before"]["recall_0.5"]) < 0.9);
  CHECK(double(json["after"]["recall_0.5"]) > double(json["before"]["recall_0.5"]) + 0.1);
  CHECK(double(json["after"]["recall_0.4"]) > double(json["before"]["recall_0.4"]));
  CHECK(json["after"]["missed"].get_array().size() < json["before"]["missed"].get_array().size());
  CHECK(read_image(out / "anchors.png").width == 1520);
  const fs::path trained = folder.path() / "run";
  check_runs({"train", (out / "anchors.toml").string(), "--preset", "tiny", "--data", data.string(), "--out",
              trained.string(), "--set", "train.steps=2"});
  CHECK_THAT(read_text(trained / "config.toml"),
             Contains(fmt::format("sizes = [{}", double(json["after"]["sizes"].at(0)))));
}

TEST_CASE("anchors that cannot be bettered stay, and k-means finds the shapes that there are", "[data]") {
  std::vector<std::array<double, 2>> boxes;
  for (int i = 0; i < 50; ++i)
    for (const auto& [w, h] : {std::pair{40.0, 20.0}, {30.0, 30.0}, {10.0, 50.0}})
      boxes.push_back({w + i % 3, h - i % 2});
  const auto centers = cluster_boxes(boxes, 3);
  REQUIRE(centers.size() == 3);
  CHECK(centers[0][1] / centers[0][0] == Approx(0.5).margin(0.05));
  CHECK(centers[1][1] / centers[1][0] == Approx(1).margin(0.08));
  CHECK(centers[2][1] / centers[2][0] == Approx(4.5).margin(0.5));
  CHECK(cluster_boxes({}, 3).empty());
}

TEST_CASE("fault: misspelled words of the commands about data are answered with the nearest one", "[data][fault]") {
  check_fails(2, {"data", "chekc", "x"},
              "unknown command 'chekc'; did you mean 'check'? (commands: check, convert, split, show, stats)");
  check_fails(2, {"data", "check", "x", "--jsno", "y"}, "check has no option --jsno; did you mean '--json'?");
  check_fails(2, {"anchors", "x", "--preest", "y"}, "anchors has no option --preest; did you mean '--preset'?");
  check_fails(2, {"data"}, "subcommand");
  check_fails(3, {"data", "check", "/nowhere"}, "/nowhere: does not exist");
}
