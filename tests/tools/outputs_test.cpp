// No output of any command overwrites what the command reads, or another output.
#include "tools/text/outputs.h"

#include <sys/stat.h>

#include <csignal>

#include "tests/support/catch.h"
#include "tests/support/data_command.h"
#include "tests/support/faulty_set.h"
#include "tests/support/training_folder.h"
#include "tests/support/weights_file.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

ErrorKind refusal(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::Interrupted;
}

// A command that must be refused before it does anything: nothing below the folder has changed.
void check_refused(const TemporaryFolder& folder, const Arguments& arguments, const std::string& words) {
  CAPTURE(arguments);
  const auto before = contents(folder.path());
  check_fails(2, arguments, words);
  CHECK((contents(folder.path()) == before));
}

}  // namespace

TEST_CASE("an output is known as an input, or another output, by each of its names", "[outputs]") {
  const TemporaryFolder folder;
  const fs::path root = folder.path(), file = root / "file";
  write_text(file, "text");
  fs::create_symlink(file, root / "link");
  fs::create_hard_link(file, root / "hard");
  fs::create_directories(root / "inside");
  fs::create_symlink(root / "inside" / "new", root / "link_to_new");
  for (const fs::path& output :
       {file, root / "link", root / "hard", root / "inside" / ".." / "file", root / "." / "file"}) {
    FilesInUse files;
    files.input(file);
    CHECK(refusal([&] { files.output(output); }) == ErrorKind::Usage);
    FilesInUse both;
    both.output(file);
    CHECK(refusal([&] { both.output(output); }) == ErrorKind::Usage);
  }
  FilesInUse files;
  files.input(root / "none");
  files.input(file);
  files.output(root / "new");
  files.output("/dev/null");
  files.output("/dev/null");
  files.output(root / "inside" / "new");
  CHECK(refusal([&] { files.output(root / "inside" / ".." / "new"); }) == ErrorKind::Usage);
  CHECK(refusal([&] { files.output(root / "link_to_new"); }) == ErrorKind::Usage);
}

TEST_CASE("an output goes to a link's target, to a device as it is, and an unwritable one is known before",
          "[outputs]") {
  const TemporaryFolder folder;
  const fs::path root = folder.path();
  write_text(root / "target", "old");
  fs::create_symlink(root / "target", root / "link");
  require_writable(root / "link");
  write_output(root / "link", "new");
  CHECK(fs::is_symlink(root / "link"));
  CHECK(read_text(root / "target") == "new");
  try {
    write_output("/dev/full", "text");
    FAIL_CHECK("a full disk takes it");
  } catch (const Error& error) {
    CHECK_THAT(error.what(), Contains("No space left on device: make room on its disk"));
  }
  require_writable("/dev/null");
  write_output("/dev/null", "text");
  CHECK(fs::is_character_file("/dev/null"));
  CHECK(refusal([&] { require_writable(root / "no folder" / "file"); }) == ErrorKind::Runtime);
  CHECK(refusal([&] { require_writable(root); }) == ErrorKind::Runtime);
  CHECK(contents(root).size() == 2);
}

TEST_CASE("fault: eval refuses outputs that are inputs, and those that cannot be written, before it works",
          "[outputs][fault]") {
  const TemporaryFolder folder;
  const std::string gt = (folder.path() / "gt.json").string(), dt = (folder.path() / "dt.json").string();
  write_text(gt, coco({coco_image(1, "a.jpg", 40, 30)},
                      {coco_box(1, 1, 1, "0, 0, 10, 10", R"(, "area": 100, "iscrowd": 0)")}));
  write_text(dt, "[]");
  const Arguments eval{"eval", "--ground-truth", gt, "--detections", dt};
  for (const char* option : {"--json", "--save-detections"}) {
    check_refused(folder, joined(eval, {option, gt}), "would overwrite the input " + gt);
    check_refused(folder, joined(eval, {option, dt}), "would overwrite the input " + dt);
    CHECK(run(joined(eval, {option, (folder.path() / "none" / "out.json").string()})).exit_code == 1);
  }
  const std::string out = (folder.path() / "out.json").string(), report = (folder.path() / "report").string();
  check_refused(folder, joined(eval, {"--json", out, "--save-detections", out}), "is the same file as the output");
  check_refused(folder, joined(eval, {"--json", report + "/report.json", "--report", report}), "is the same file");
  check_refused(folder, joined(eval, {"--report", report, "--images", folder.path().string()}), "inside the dataset");
  check_runs(joined(eval, {"--json", out, "--save-detections", (folder.path() / "found.json").string()}));
}

TEST_CASE("fault: no command about a dataset overwrites what it reads", "[outputs][fault]") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data";
  write_files(data, made_files(DatasetFormat::Coco, {{"a.png", {{}}}}, {{"v.png", {{}}}}));
  const std::string weights = write_weights(folder.path() / "weights.safetensors"),
                    annotations = (data / "annotations" / "instances_val.json").string();
  write_text(folder.path() / "anchors" / "anchors.toml", "[model.anchors]\nratios = [0.5, 1.0, 2.0]\n");
  const std::string anchors = (folder.path() / "anchors").string();
  check_refused(folder, {"data", "check", data.string(), "--json", annotations}, "inside the dataset");
  check_refused(folder,
                {"data", "check", data.string(), "--json", (folder.path() / "bad_images.txt").string(), "--out",
                 folder.path().string()},
                "is the same file as the output");
  check_refused(folder, {"eval", "--data", data.string(), "--weights", weights, "--json", annotations},
                "inside the dataset");
  check_refused(folder, {"eval", "--data", data.string(), "--weights", weights, "--json", weights},
                "would overwrite the input");
  check_refused(folder, {"anchors", data.string(), "--config", anchors + "/anchors.toml", "--out", anchors},
                "would overwrite the input");
  check_refused(folder, {"info", "--weights", weights, "--simulate", "--json", weights}, "would overwrite the input");
  for (const char* option : {"--json", "--outputs"})
    check_refused(folder, {"bench", "--preset", "tiny", "--weights", weights, option, weights},
                  "would overwrite the input");
}

TEST_CASE("fault: a dataset that a full disk does not take leaves nothing behind", "[outputs][fault]") {
  const TemporaryFolder folder;
  const fs::path data = folder.path() / "data", out = folder.path() / "out";
  MadeImages images;
  for (int i = 0; i < 20; ++i) images.push_back({fmt::format("{}.png", i), {{}}});
  write_files(data, made_files(DatasetFormat::Coco, images, {{"v.png", {{}}}}));
  for (const bool there : {false, true}) {
    fs::remove_all(out);
    if (there) fs::create_directories(out);
    const auto result = run({"data", "convert", data.string(), "--to", "coco", "--copy", out.string()},
                            R"((trap '' XFSZ; ulimit -f 1; exec "$0" "$@") 2>&1 | cat)");
    CHECK_THAT(result.out, Contains(": cannot be written: File too large") && !Contains("cannot be removed"));
    CHECK(lines_in(result.out.substr(result.out.find("fovea: "))) == 1);
    CHECK(fs::exists(out) == there);
    CHECK((!there || fs::is_empty(out)));
  }
}

TEST_CASE("Ctrl-C ends a command that waits for its input with code 130 and one line", "[outputs][stop]") {
  const TemporaryFolder folder;
  write_text(folder.path() / "gt.json", coco({coco_image(1, "a.jpg", 40, 30)},
                                             {coco_box(1, 1, 1, "0, 0, 10, 10", R"(, "area": 100, "iscrowd": 0)")}));
  const fs::path pipe = folder.path() / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  for (const int signal : {SIGINT, SIGTERM}) {
    Process command({"eval", "--ground-truth", (folder.path() / "gt.json").string(), "--detections", pipe.string(),
                     "--json", (folder.path() / "out.json").string()});
    FILE* writer = std::fopen(pipe.c_str(), "w");  // there is a reader now
    command.signal(signal);
    const auto result = command.wait();
    std::fclose(writer);
    CHECK(result.exit_code == 130);
    CHECK(result.err == "fovea: interrupted\n");
    CHECK_FALSE(fs::exists(folder.path() / "out.json"));
  }
}
