// `fovea detect` as its users meet it: what it writes where, what it leaves alone, and how it ends.
#include <simdjson.h>

#include <csignal>

#include "tests/support/catch.h"
#include "tests/support/checked_run.h"
#include "tests/support/data_command.h"
#include "tests/support/format_files.h"
#include "tests/support/training_folder.h"
#include "tests/support/weights_file.h"
#include "tools/detect/image_list.h"
#include "tools/image/image_file.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

struct Detecting {
  TemporaryFolder folder;
  std::string weights = write_weights(folder.path() / "weights.safetensors");
  fs::path photos = folder.path() / "photos", out = folder.path() / "out";

  explicit Detecting(const std::map<std::string, std::string>& files) { write_files(photos, files); }
  Arguments arguments(const Arguments& more = {}) const {
    return joined({"detect", photos.string(), "--weights", weights, "--out", out.string()}, more);
  }
};

std::vector<std::string> names(const std::map<std::string, std::vector<uint8_t>>& files) {
  std::vector<std::string> names;
  for (const auto& file : files) names.push_back(file.first);
  return names;
}

using Names = std::vector<std::string>;

// The file names of the entries, each once; fails where the file is no JSON list.
std::set<std::string> images_in_results(const fs::path& file) {
  std::set<std::string> images;
  simdjson::dom::parser parser;
  const simdjson::dom::array entries = parser.load(file.string());
  for (const simdjson::dom::element entry : entries) images.insert(std::string(std::string_view(entry["file_name"])));
  return images;
}

}  // namespace

TEST_CASE("detect: pictures are JPEG in the images' own sub-folders, and hidden files are passed over", "[detect]") {
  const Detecting detection({{"b.png", "image 60x40"},
                             {"sub/b.png", "image 60x40"},
                             {"sub/deep/c.PNG", "image 40x60"},
                             {"._b.png", "no image"},
                             {".ipynb_checkpoints/b.png", "image 60x40"},
                             {"__MACOSX/b.png", "no image"},
                             {"notes.txt", "text"}});
  const auto result = run(detection.arguments({"--score", "0"}));
  REQUIRE(result.exit_code == 0);
  CHECK(names(contents(detection.out)) ==
        Names{"b.jpg", "contact_sheet.png", "detections.json", "sub/b.jpg", "sub/deep/c.jpg"});
  CHECK(images_in_results(detection.out / "detections.json") ==
        std::set<std::string>{"b.png", "sub/b.png", "sub/deep/c.PNG"});
  CHECK_THAT(result.out, Contains("photos/sub/b.png: ") && Contains("out/sub/b.jpg\n"));
  CHECK(read_image(detection.out / "sub/deep/c.jpg").height == 60);
  CHECK_THAT(read_text(detection.out / "detections.json"),
             Contains(R"({"file_name": "sub/deep/c.PNG", "width": 40, "height": 60, "image_id": 3, "category_id": )"));
}

TEST_CASE("detect: with --png pictures are PNG, with --no-draw there are none, and the detections are the same",
          "[detect]") {
  const Detecting detection({{"a.png", "image 60x40"}, {"b.png", "image 60x40"}});
  REQUIRE(run(detection.arguments({"--png"})).exit_code == 0);
  const auto drawn = contents(detection.out);
  CHECK(names(drawn) == Names{"a.png", "b.png", "contact_sheet.png", "detections.json"});
  fs::remove_all(detection.out);
  const auto result = run(detection.arguments({"--no-draw"}));
  REQUIRE(result.exit_code == 0);
  CHECK(names(contents(detection.out)) == Names{"detections.json"});
  CHECK(read_file(detection.out / "detections.json") == drawn.at("detections.json"));
  CHECK_THAT(result.out, Contains("photos/a.png: ") && Contains(" objects\n"));
}

TEST_CASE("detect: no two images have one picture, whatever they are called", "[detect]") {
  const auto list = [](const Names& names) {
    std::vector<ListedImage> images;
    for (const std::string& name : names) images.push_back({name, name});
    Names pictures;
    for (const fs::path& name : picture_names(images, ".png", {"detections.json", "contact_sheet.png"}))
      pictures.push_back(name.string());
    return pictures;
  };
  CHECK(list({"a.jpg", "a.png", "a_2.jpg"}) == Names{"a.png", "a_2.png", "a_2_2.png"});
  CHECK(list({"a_2.jpg", "a.jpg", "a.png"}) == Names{"a_2.png", "a.png", "a_3.png"});
  CHECK(list({"contact_sheet.jpg", "x/contact_sheet.jpg"}) == Names{"contact_sheet_2.png", "x/contact_sheet.png"});
  CHECK(list({"a.jpg", "a.png/b.jpg"}) == Names{"a_2.png", "a.png/b.png"});
  CHECK(list({"/photos/a.jpg", "../photos/a.jpg"}) == Names{"photos/a.png", "photos/a_2.png"});
}

TEST_CASE("detect: files of one name in two folders have the paths as given in the results", "[detect]") {
  const Detecting detection({{"x/a.png", "image 60x40"}, {"y/a.png", "image 40x60"}});
  const std::string x = (detection.photos / "x" / "a.png").string(), y = (detection.photos / "y" / "a.png").string();
  REQUIRE(run({"detect", x, y, "--weights", detection.weights, "--out", detection.out.string()}).exit_code == 0);
  CHECK(images_in_results(detection.out / "detections.json") == std::set{x, y});
}

TEST_CASE("fault: detect overwrites no image and no file of the user's, and its own results it does",
          "[detect][outputs][fault]") {
  const Detecting detection({{"photo.png", "image 60x40"}, {"other.png", "image 60x40"}});
  const auto photos = contents(detection.photos);
  const auto refused = [&](const Arguments& arguments, const std::string& words) {
    const auto before = contents(detection.folder.path());
    check_fails(2, arguments, words);
    CHECK((contents(detection.folder.path()) == before));
  };
  const std::string photo = (detection.photos / "photo.png").string();
  for (const fs::path& out : {detection.photos, detection.photos / ".", detection.photos / "none" / ".."})
    for (const Arguments& more : {Arguments{}, {"--png"}, {"--no-draw"}})
      refused(joined({"detect", photo, "--weights", detection.weights, "--out", out.string()}, more),
              "holds the input");
  fs::create_directory_symlink(detection.photos, detection.folder.path() / "link");
  refused({"detect", photo, "--weights", detection.weights, "--out", (detection.folder.path() / "link").string()},
          "holds the input");
  for (const char* name : {"photo.jpg", "detections.json", "contact_sheet.png"}) {
    write_text(detection.out / name, "the user's own");
    refused(detection.arguments(), "was not written by Fovea");
    fs::remove_all(detection.out);
  }
  fs::create_directories(detection.out);
  fs::create_hard_link(photo, detection.out / "photo.png");
  refused(detection.arguments({"--png"}), "would overwrite the input");
  fs::remove_all(detection.out);
  for (const Arguments& more : {Arguments{}, {"--png"}, {"--no-draw"}, {}})
    CHECK(run(detection.arguments(more)).exit_code == 0);
  CHECK((contents(detection.photos) == photos));
}

TEST_CASE("detect: its own pictures below the images' folder are no images the next time", "[detect]") {
  const Detecting detection({{"a.png", "image 60x40"}, {"sub/b.png", "image 60x40"}});
  const std::string out = (detection.photos / "found").string();
  const Arguments arguments{"detect", detection.photos.string(), "--weights", detection.weights, "--out", out};
  REQUIRE(run(arguments).exit_code == 0);
  const auto once = contents(detection.photos);
  REQUIRE(run(arguments).exit_code == 0);
  CHECK((contents(detection.photos) == once));
}

TEST_CASE("fault: options of detect and data show outside their range are refused", "[detect][fault]") {
  const Detecting detection(std::map<std::string, std::string>{{"a.png", "image 60x40"}});
  for (const char* score : {"50", "-1", "1.01", "nan", "inf"})
    check_fails(2, detection.arguments({"--score", score}), "must be from 0 to 1");
  check_fails(2, detection.arguments({"--sheet", "-3"}), "must be at least 0");
  check_fails(2, detection.arguments({"--sheet", "999999999999"}), "--sheet: must be at most 1000");
  check_fails(2, detection.arguments({"--sheet", "1.5"}), "--sheet: must be a whole number");
  check_fails(2, {"demo", "--steps", "abc"}, "--steps: must be a whole number");
  check_fails(2, detection.arguments({"--batch", "0"}), "must be at least 1");
  check_fails(2, {"data", "show", detection.photos.string(), "--count", "0"}, "must be at least 1");
  check_fails(2, {"data", "show", detection.photos.string(), "--augment", "-1"}, "must be at least 0");
  CHECK_FALSE(fs::exists(detection.out));
}

TEST_CASE("fault: on a full disk detect ends with code 1, and its results are a whole list", "[detect][fault]") {
  std::map<std::string, std::string> files;
  for (int i = 0; i < 20; ++i) files[fmt::format("{:02}.png", i)] = "image 60x40";
  const Detecting detection(files);
  const auto result = run(detection.arguments({"--no-draw"}), R"(trap '' XFSZ; ulimit -f 40; exec "$0" "$@")");
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, Contains("detections.json: cannot be written: File too large"));
  const size_t written = images_in_results(detection.out / "detections.json").size();
  CHECK((written > 0 && written < 20));
  const auto pictures = run(detection.arguments(), R"(trap '' XFSZ; ulimit -f 1; exec "$0" "$@")");
  CHECK(pictures.exit_code == 1);
  for (const auto& file : contents(detection.out)) CHECK_THAT(file.first, !Contains(".partial"));
}

TEST_CASE("Ctrl-C ends detect with code 130, and what was done is whole", "[detect][stop]") {
  std::map<std::string, std::string> files;
  for (int i = 0; i < 400; ++i) files[fmt::format("{:03}.png", i)] = "image 60x40";
  const Detecting detection(files);
  Process process(detection.arguments({"--sheet", "3"}));
  REQUIRE(wait_for(detection.out / "000.jpg"));
  process.signal(SIGINT);
  const auto result = process.wait();
  CAPTURE(result.out, result.err);
  REQUIRE(result.exit_code == 130);
  CHECK_THAT(result.err, Catch::StartsWith("fovea: interrupted after ") && Contains(" of 400 images"));
  const auto images = images_in_results(detection.out / "detections.json");
  CHECK(images.size() < 400);
  for (const std::string& image : images) CHECK(read_image(detection.out / (image.substr(0, 3) + ".jpg")).width == 60);
  for (const auto& file : contents(detection.out)) CHECK_THAT(file.first, !Contains(".partial"));
}

TEST_CASE("detect: a reader of stdout that goes away ends it quietly, and what was done is whole", "[detect][output]") {
  std::map<std::string, std::string> files;
  for (int i = 0; i < 200; ++i) files[fmt::format("{:03}.png", i)] = "image 60x40";
  const Detecting detection(files);
  const auto result = run(detection.arguments(), R"(("$0" "$@"; echo "code $?" >&2) | head -n 1)");
  CHECK(result.err == "code 130\n");
  CHECK_THAT(result.out, Contains("000.png: ") && Catch::EndsWith("000.jpg\n"));
  CHECK(images_in_results(detection.out / "detections.json").size() < 200);
}

TEST_CASE("eval joins detections to images by their file names where ids differ, and refuses what is ambiguous",
          "[eval][detect]") {
  const TemporaryFolder folder;
  const fs::path root = folder.path();
  const std::string more = R"(, "area": 100, "iscrowd": 0)";
  const auto truth = [&](const std::string& first, const std::string& second) {
    write_text(root / "gt.json",
               coco({coco_image(7, first, 40, 30), coco_image(8, second, 40, 30)},
                    {coco_box(1, 7, 1, "0, 0, 10, 10", more), coco_box(2, 8, 2, "5, 5, 20, 20", more)}));
  };
  const auto entry = [](const std::string& name, int id, int category, const std::string& box) {
    const std::string file = name.empty() ? "" : fmt::format(R"("file_name": "{}", )", name);
    return fmt::format(R"({{{}"image_id": {}, "category_id": {}, "bbox": [{}], "score": 0.9}})", file, id, category,
                       box);
  };
  const auto write = [&](const std::string& a, int first, const std::string& b, int second) {
    write_text(root / "dt.json",
               fmt::format("[{}, {}]", entry(a, first, 1, "0, 0, 10, 10"), entry(b, second, 2, "5, 5, 20, 20")));
  };
  const Arguments eval{"eval", "--ground-truth", (root / "gt.json").string(), "--detections",
                       (root / "dt.json").string()};
  const auto is_perfect = [&](const std::string& said) {
    const auto result = run(eval);
    CHECK(result.exit_code == 0);
    CHECK_THAT(result.out, Contains("AP        0.50:0.95     all         100                  1.000"));
    if (said.empty()) CHECK(result.err.empty());
    CHECK_THAT(result.err, Contains(said));
  };
  truth("a.jpg", "b.jpg");
  write("", 7, "", 8);
  is_perfect("");
  write("a.jpg", 7, "b.jpg", 8);
  is_perfect("");
  write("a.jpg", 1, "b.jpg", 2);
  is_perfect("2 of 2 detections go to the image of their file_name");
  write("a.jpg", 8, "b.jpg", 7);
  is_perfect("2 of 2 detections go to the image of their file_name");
  write("/photos/val/a.jpg", 7, "photos/b.jpg", 7);
  is_perfect("1 of 2 detections");
  truth("images/val/a.jpg", "val\\\\b.jpg");
  write("val/a.jpg", 1, "b.jpg", 2);
  is_perfect("2 of 2 detections");

  write("c.jpg", 7, "b.jpg", 8);
  check_fails(3, eval, "results[0]: the ground truth has no image called c.jpg");
  write("", 1, "", 8);
  check_fails(3, eval, "the ground truth has no image 1");
  truth("x/a.jpg", "y/a.jpg");
  write("x/a.jpg", 1, "a.jpg", 2);
  check_fails(3, eval, "results[1]: 2 images of the ground truth are called a.jpg, as x/a.jpg and y/a.jpg");
  write("x/a.jpg", 1, "a.jpg", 8);
  is_perfect("1 of 2 detections");
}
