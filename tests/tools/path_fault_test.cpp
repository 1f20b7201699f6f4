// The row on names and paths of the table of faults: what an annotation may name, and how odd names are read and shown.
#include "engine/printable.h"
#include "tests/support/catch.h"
#include "tests/support/faulty_set.h"
#include "tests/support/test_data.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

DatasetFormat any_form() {
  return GENERATE(DatasetFormat::Coco, DatasetFormat::Voc, DatasetFormat::Csv, DatasetFormat::Yolo);
}

const MadeImages kTrain{{"a.png", {{}}}}, kVal{{"v.png", {{}}}};

void replace(std::string& text, const std::string& from, const std::string& to) {
  REQUIRE(text.find(from) != std::string::npos);
  text.replace(text.find(from), from.size(), to);
}

// The set, whose annotations name the image of training as `path`.
Files naming(DatasetFormat format, const std::string& path) {
  Files files = made_files(format, kTrain, kVal);
  if (format == DatasetFormat::Coco) replace(files["annotations/instances_train.json"], "a.png", path);
  if (format == DatasetFormat::Csv) replace(files["train.csv"], "train/a.png", path);
  if (format == DatasetFormat::Voc) {
    replace(files["Annotations/a.xml"], "a.png", path);
    files.erase("JPEGImages/a.png");  // where it lies is taken, whatever the annotation says
  }
  if (format == DatasetFormat::Yolo) {
    replace(files["data.yaml"], "images/train", "train.txt");
    files["train.txt"] = path + "\n";
  }
  return files;
}

// Another dataset of the user's, beside that of the bench.
void add_beside(const FaultySet& set) {
  write_files(set.folder.path() / "beside", {{"images/b.png", "image 64x48"}, {"labels/b.txt", "0 .5 .5 .4 .4\n"}});
}

// Odd, but allowed by the file system.
const std::string kSpaces = "two  spaces.png", kShell = "$(touch shell_ran);`touch shell_ran`'&|.png",
                  kOption = "-rf.png", kUnicode = "Käfer 🐞.png", kLine = "line\nend\ttab\x1b[31m.png",
                  kBytes = "\xff\xfe\x80.png";

// Those that a format can name: JSON is UTF-8, a line of a list has no line end, XML no control character.
std::vector<std::string> odd_names(DatasetFormat format) {
  std::vector<std::string> names{kSpaces, kShell, kOption, kUnicode};
  if (format == DatasetFormat::Voc) names[1] = "$(touch shell_ran);`touch shell_ran`'|.png";
  if (format != DatasetFormat::Voc) names.push_back(kLine);
  if (format != DatasetFormat::Coco) names.push_back(kBytes);
  return names;
}

}  // namespace

TEST_CASE("fault: a path that leads out of the dataset is refused by name and never opened, in every format",
          "[paths][fault]") {
  const DatasetFormat format = any_form();
  const bool absolute = GENERATE(false, true);
  CAPTURE(name_of(format), absolute);
  const TemporaryFolder elsewhere;
  write_files(elsewhere.path(), {{"b.png", "image 64x48"}});
  const std::string path =
      absolute ? (elsewhere.path() / "b.png").string() : std::string("../../../beside/images/b.png");
  FaultySet set(naming(format, path), "one/two/data");  // images are one folder deeper in COCO's and VOC's format
  add_beside(set);
  write_files(set.folder.path() / "one/beside", {{"images/b.png", "image 64x48"}});
  write_files(set.folder.path() / "one/two/beside", {{"images/b.png", "image 64x48"}});
  const char* why =
      format == DatasetFormat::Csv || format == DatasetFormat::Yolo ? "lies outside" : "is not a path inside";
  set.check_refused({"\"" + path + "\" " + why});
}

TEST_CASE("fault: a name longer than any file's is that of a missing image, in every format", "[paths][fault]") {
  const DatasetFormat format = any_form();
  CAPTURE(name_of(format));
  const std::string name = std::string(300, 'x') + ".png";
  FaultySet(naming(format, name)).check_refused({"xxx.png: "});
  if (format == DatasetFormat::Yolo) {
    Files files = made_files(format, kTrain, kVal);
    replace(files["data.yaml"], "images/train", name);
    FaultySet(files).check_refused({"data.yaml: train: ", "xxx.png does not exist"});
  }
}

TEST_CASE("fault: a path out of the dataset is answered with what to do instead", "[paths][fault]") {
  FaultySet csv(naming(DatasetFormat::Csv, "/elsewhere/b.png"));
  csv.check_refused({"train.csv:1: the path \"/elsewhere/b.png\" lies outside " + csv.data.string(),
                     "put the CSV files into the folder that holds all images"});
  FaultySet list(naming(DatasetFormat::Yolo, "/elsewhere/b.png"));
  list.check_refused({"train.txt:1: \"/elsewhere/b.png\" lies outside " + list.data.string(),
                      "set `path:` to a folder that holds all images"});
  for (const char* beside : {"../beside/images", "../beside/labels/b.txt"}) {
    Files files = made_files(DatasetFormat::Yolo, kTrain, kVal);
    replace(files["data.yaml"], "images/train", beside);
    FaultySet folder(files);
    add_beside(folder);
    folder.check_refused({fmt::format("data.yaml: \"{}\" lies outside", beside), "set `path:`"});
  }
  Files gone = made_files(DatasetFormat::Yolo, kTrain, kVal);
  replace(gone["data.yaml"], "images/train", "/gone/pictures");
  FaultySet(gone).check_refused({"data.yaml: train: /gone/pictures does not exist", "expected a folder of images"});
  replace(gone["data.yaml"], "/gone/pictures", "/gone/images/train");  // of another computer
  FaultySet(gone).check_taken({"names are paths that are not here; the files of their last parts are taken"});
}

TEST_CASE("fault: an absolute path into the dataset is taken, by the folder's own name and by a link's",
          "[paths][fault]") {
  const bool by_link = GENERATE(false, true), list = GENERATE(false, true);
  CAPTURE(by_link, list);
  for (const DatasetFormat format : {DatasetFormat::Csv, DatasetFormat::Yolo}) {
    CAPTURE(name_of(format));
    FaultySet set(made_files(format, kTrain, kVal));
    const fs::path link = set.folder.path() / "link";
    fs::create_directory_symlink(set.data, link);
    const std::string data = set.data.string();
    if (format == DatasetFormat::Csv) {
      write_text(set.data / "train.csv", data + "/train/a.png,3,4,33,34,cat\n");
    } else {
      write_text(set.data / "train.txt", data + "/images/train/a.png\n");
      write_text(set.data / "data.yaml",
                 fmt::format("path: {}\ntrain: {}\nval: {}/images/val\nnames: [cat]\n", by_link ? link.string() : data,
                             data + (list ? "/train.txt" : "/images/train"), data));
    }
    set.keep_as_it_is();
    if (by_link) set.data = link;
    set.check_taken({"train: 1 images, 1 boxes", "val: 1 images, 1 boxes"}, {"--bad-images", "error"});
  }
}

TEST_CASE("fault: spaces, quotes, line ends and bytes that are no text in names are read, in every format",
          "[paths][fault]") {
  const DatasetFormat format = any_form();
  CAPTURE(name_of(format));
  MadeImages images;
  for (const std::string& name : odd_names(format)) images.push_back({name, {{}}});
  FaultySet set(made_files(format, images, kVal), "a dataset\nof \xff bytes");
  set.check_taken({fmt::format("train: {} images, {} boxes", images.size(), images.size())},
                  {"--bad-images", "error", "--set", fmt::format("train.batch={}", images.size())});
  const auto found = run_fovea({"detect", (set.data / places(format, "train", images).images).string(), "--weights",
                                (set.run("run") / "last.safetensors").string(), "--out", set.run("found").string()});
  CAPTURE(found.out, found.err);
  CHECK(found.exit_code == 0);
  CHECK_THAT(found.err, StartsWith("fovea: pictures show boxes for characters that no font has: 🐞;"));  // on the sheet
  CHECK(lines_in(found.err) == 1);
  CHECK(find_invalid_utf8(found.out) == found.out.npos);
  CHECK_THAT(found.out, !Contains("\x1b"));
  for (const std::string& name : odd_names(format)) CHECK_THAT(found.out, Contains(printable(name) + ": "));
  CHECK_FALSE(fs::exists("shell_ran"));
  CHECK_FALSE(fs::exists(set.data / "shell_ran"));
}

TEST_CASE("fault: odd names are shown escaped, on a line each, in every format", "[paths][fault]") {
  const DatasetFormat format = any_form();
  CAPTURE(name_of(format));
  MadeImages images;
  for (int i = 0; i < 600; ++i) images.push_back({fmt::format("{}.png", i), {{{1, 2, 12, 13}}}, "image 20x15", 20, 15});
  const auto names = odd_names(format);
  for (const std::string& name : names) images.push_back({name, {{}}, "no image"});
  FaultySet set(made_files(format, images, kVal), "a dataset\nof \xff bytes");
  set.check_taken({}, {"--set", fmt::format("train.batch={}", images.size()), "--set", "input.short_side=16"});
  const std::string list = set.listed("bad_images.txt");
  CAPTURE(list);
  CHECK(lines_in(list) == static_cast<std::ptrdiff_t>(names.size()));
  for (const std::string& text : {list, set.said}) {
    CHECK(find_invalid_utf8(text) == text.npos);
    CHECK_THAT(text, !Contains("\x1b"));
  }
  for (const std::string& name : names) {
    const std::string shown = printable(name);
    CHECK_THAT(list, Contains(shown + "\t"));
    CHECK_THAT(list, Contains("a dataset\\x0aof \\xff bytes/" + places(format, "train", images).images + shown + ": "));
  }
}

TEST_CASE("fault: messages about a folder with an odd name stay on one line of text", "[paths][fault]") {
  const std::string odd = "line\nend \xff\x1b[31m", shown = "line\\x0aend \\xff\\x1b[31m";
  Files differ = made_files(DatasetFormat::Coco, kTrain, kVal);
  replace(differ["annotations/instances_val.json"], "\"cat\"", "\"dog\"");
  FaultySet classes(differ, odd);
  classes.check_refused({"category 1 is 'cat' in train but 'dog' in val"});
  FaultySet images(made_files(DatasetFormat::Coco, {{"a.png", {{}}, ""}}, kVal), odd);
  images.check_refused({shown + "/train/a.png: is empty"}, {"--bad-images", "error"});
  const TemporaryFolder folder;
  write_files(folder.path() / "run" / odd, {{"last.safetensors", "no weights"}});
  const std::string run = (folder.path() / "run" / odd).string(), weights = run + "/last.safetensors";
  const std::string cards = test_data("cards").string();
  CHECK_THAT(run_fovea({"train", "--data", cards, "--out", run}).err,
             Contains("run/" + shown + ": already holds a run") && !Contains("\x1b"));
  CHECK_THAT(run_fovea({"train", "--data", cards, "--out", run, "--resume"}).err,
             Contains("run/" + shown + ": has no usable checkpoint") && !Contains("\x1b"));
  for (const Arguments& arguments : std::vector<Arguments>{
           {"eval", "--data", cards, "--weights", weights},
           {"eval", "--data", cards, "--weights", weights + odd},
           {"info", "--weights", weights},
           {"train", "--data", folder.path() / odd, "--out", folder.path() / "out"},
           {"data", "check", folder.path() / odd},
           {"eval", "--ground-truth", folder.path() / odd, "--detections", folder.path() / odd},
       }) {
    const auto result = run_fovea(arguments);
    CAPTURE(arguments, result.err);
    CHECK(result.exit_code == 3);
    CHECK(lines_in(result.err) == 1);
    CHECK_THAT(result.err, Contains(shown) && !Contains("\x1b"));
  }
}
