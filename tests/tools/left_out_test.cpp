// Annotations that lie beside a dataset's splits, and that none of them reads.
#include <unistd.h>

#include "tests/support/catch.h"
#include "tests/support/format_files.h"
#include "tests/support/process.h"
#include "tools/data/formats/coco_layout.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

constexpr const char* kLabel = "0 0.5 0.5 0.5 0.5\n";

std::map<std::string, std::string> yolo_set() {
  return {{"classes.txt", "cell\n"},
          {"images/train/a.png", "image 64x48"},
          {"labels/train/a.txt", kLabel},
          {"images/val/b.png", "image 64x48"},
          {"labels/val/b.txt", kLabel}};
}

std::string opened(const fs::path& path) {
  std::string text;
  for (const std::string& line : open_dataset(path).warnings) text += line + "\n";
  return text;
}

size_t times(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_CASE("left out: data check, stats, convert and train say once what belongs to no split", "[data]") {
  const TemporaryFolder folder;
  auto files = yolo_set();
  files["images/c.png"] = "image 64x48";
  files["labels/c.txt"] = files["labels/d.txt"] = kLabel;
  write_files(folder.path() / "set", files);
  const std::string set = (folder.path() / "set").string();
  const std::string line = set +
                           ": 2 annotation files and 1 images belong to no split and are not read; the first: " + set +
                           "/labels/c.txt; if they are part of the set, move or merge them into a split";
  const auto run = [&](const char* name) { return (folder.path() / name).string(); };
  using Arguments = std::vector<std::string>;
  for (const Arguments& command :
       {Arguments{"data", "check", set, "--out", run("check")}, Arguments{"data", "stats", set, "--out", run("stats")},
        Arguments{"data", "convert", set, "--to", "coco", run("coco")},
        Arguments{"train", "--preset", "tiny", "--data", set, "--out", run("run"), "--set", "train.steps=1",
                  "train.batch=1"}}) {
    const auto done = run_fovea(command);
    INFO(command[0] << " " << command[1] << "\n" << done.out << done.err);
    CHECK(done.exit_code == 0);
    CHECK(times(done.out + done.err, line) == 1);
  }
}

TEST_CASE("left out: folders that splits name by a link are read, and so is what lies in them", "[data]") {
  const TemporaryFolder folder;
  auto files = yolo_set();
  files.erase("classes.txt");
  files["data.yaml"] = "train: pictures/train\nval: images/val\nnames: [cell]\n";
  write_files(folder.path(), files);
  fs::create_directories(folder.path() / "pictures/labels");
  fs::create_directory_symlink("../images/train", folder.path() / "pictures/train");
  fs::create_directory_symlink("../../labels/train", folder.path() / "pictures/labels/train");
  CHECK(load_dataset(folder.path(), "train").report.objects == 1);
  CHECK(opened(folder.path()) == "");
}

TEST_CASE("left out: a list's folders are read, a test split that is gone hides nothing, and a file is no folder",
          "[data]") {
  const TemporaryFolder folder;
  auto files = yolo_set();
  files.erase("classes.txt");
  files["train.txt"] = "images/train/a.png\n";
  files["images/train/unlisted.png"] = "image 64x48";
  files["labels/train/unlisted.txt"] = kLabel;
  files["data.yaml"] = "train: train.txt\nval: images/val\ntest: images/test\nnames: [cell]\n";
  write_files(folder.path(), files);
  CHECK(opened(folder.path()) == "");
  write_files(folder.path(), {{"images/more/c.png", "image 64x48"}, {"labels/more/c.txt", kLabel}});
  CHECK_THAT(opened(folder.path()), Contains("1 annotation files and 1 images belong to no split"));
  CHECK(opened(folder.path() / "data.yaml") == "");
}

TEST_CASE("left out: of many files in a folder the first show what they are", "[data]") {
  const TemporaryFolder folder;
  auto files = yolo_set();
  for (int i = 0; i < 300; ++i) {
    files["labels/more/" + std::to_string(1000 + i) + ".txt"] = kLabel;
    files["notes/" + std::to_string(1000 + i) + ".txt"] = "seen at noon\n";
  }
  write_files(folder.path(), files);
  CHECK(opened(folder.path()) == "");  // labels without images are copies
  write_files(folder.path(), {{"images/more/1299.png", "image 64x48"}});
  CHECK_THAT(opened(folder.path()), Contains("300 annotation files and 1 images belong to no split"));
}

TEST_CASE("left out: a folder beside the splits that cannot be read is said, and refuses no set", "[data]") {
  const TemporaryFolder folder;
  const fs::path locked = folder.path() / "private";
  fs::create_directory(locked);
  fs::permissions(locked, fs::perms::none);
  fs::permissions(folder.path(), fs::perms::all);
  constexpr uid_t kNobody = 65534;
  const bool root = geteuid() == 0;  // who may read all
  const bool searched = !root || seteuid(kNobody) == 0;
  std::string text;
  if (searched) CHECK_NOTHROW(text = left_out(folder.path(), {{}, {}, {".json"}, looks_like_coco, false}).value_or(""));
  if (root) REQUIRE(seteuid(0) == 0);
  fs::permissions(locked, fs::perms::owner_all);
  if (searched)
    CHECK_THAT(text, Contains("was not searched for annotations that belong to no split: ") && Contains("private"));
}
