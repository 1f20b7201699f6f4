// The last rows of the table of faults that concern data: where output goes, the locale, and results with equal scores.
#include <cstdlib>

#include "tests/support/catch.h"
#include "tests/support/faulty_set.h"
#include "tests/support/test_data.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

const std::string kCards = test_data("cards").string(),
                  kEvaluation = test_data("coco_eval/val2014_fakebbox100").string();

// Commands that print much and need no training before.
std::vector<Arguments> commands(const TemporaryFolder& folder) {
  const auto out = [&](const char* name) { return (folder.path() / name).string(); };
  return {{"data", "check", kCards, "--preset", "tiny", "--out", out("check")},
          {"data", "stats", kCards, "--out", out("stats")},
          {"data", "show", kCards, "--count", "2", "--out", out("show")},
          {"data", "convert", kCards, "--to", "csv", out("convert")},
          {"anchors", kCards, "--preset", "tiny", "--out", out("anchors")},
          {"eval", "--ground-truth", kEvaluation + "/gt.json", "--detections", kEvaluation + "/dt.json", "--json",
           out("eval.json")},
          {"info", "--preset", "tiny"}};
}

// Files that the commands write at their end.
const std::vector<const char*> kWritten{"stats/stats.json", "show/contact_sheet.png", "convert/classes.csv",
                                        "anchors/anchors.toml", "eval.json"};

// A German locale, in a folder for LOCPATH; false where the system cannot make one.
bool make_german_locale(const fs::path& folder) {
  fs::create_directories(folder);
  const std::string call =
      fmt::format("localedef -i de_DE -f UTF-8 {} >/dev/null 2>&1", (folder / "de_DE.UTF-8").string());
  return std::system(call.c_str()) == 0;
}

double ap_of(const std::string& results) {
  const TemporaryFolder folder;
  write_text(folder.path() / "gt.json",
             R"({"images": [{"id": 1}], "categories": [{"id": 1}], "annotations": [{"id": 1, "image_id": 1,
                 "category_id": 1, "bbox": [0, 0, 50, 50], "area": 2500, "iscrowd": 0}]})");
  write_text(folder.path() / "dt.json", results);
  const auto evaluated =
      run_fovea({"eval", "--ground-truth", (folder.path() / "gt.json").string(), "--detections",
                 (folder.path() / "dt.json").string(), "--json", (folder.path() / "out.json").string()});
  CAPTURE(evaluated.err);
  REQUIRE(evaluated.exit_code == 0);
  const std::string json = read_text(folder.path() / "out.json");
  const size_t at = json.find("\"AP\": ");
  REQUIRE(at != json.npos);
  return std::stod(json.substr(at + 6));
}

}  // namespace

TEST_CASE("fault: a reader of stdout that goes away ends each command quietly", "[output][fault]") {
  const TemporaryFolder folder;
  for (const Arguments& command : commands(folder)) {
    CAPTURE(command);
    const auto result = run_fovea(command, R"((sleep 0.1; "$0" "$@"; echo "code $?" >&2) | :)");
    CHECK(result.err == "code 130\n");
  }
}

TEST_CASE("fault: with stdout closed from the start each command writes its files, and nothing into them",
          "[output][fault]") {
  const TemporaryFolder closed, open;
  const auto calls = commands(closed), usual = commands(open);
  for (size_t i = 0; i < calls.size(); ++i) {
    CAPTURE(calls[i]);
    const auto result = run_fovea(calls[i], R"(exec "$0" "$@" >&-)"), expected = run_fovea(usual[i]);
    CHECK(result.exit_code == 0);
    CHECK(result.err.empty());
    CHECK_FALSE(expected.out.empty());
  }
  for (const char* name : kWritten) CHECK(fs::exists(closed.path() / name));
  CHECK((contents(closed.path()) == contents(open.path())));
}

TEST_CASE("fault: output that a full disk does not take is said, with code 1", "[output][fault]") {
  const TemporaryFolder folder;
  for (const Arguments& command : commands(folder)) {
    CAPTURE(command);
    const auto result = run_fovea(command, R"(exec "$0" "$@" >/dev/full)");
    CHECK(result.exit_code == 1);
    CHECK(lines_in(result.err) == 1);
    CHECK_THAT(result.err, Catch::StartsWith("fovea: ") && Contains("cannot") && Contains("No space left on device"));
  }
}

TEST_CASE("fault: a training whose lines a full disk does not take saves, says why, and can be resumed",
          "[output][fault]") {
  const TrainingFolder trainings;
  write_files(trainings.data, made_files(DatasetFormat::Coco, {{"a.png", {{}}}}, {{"v.png", {{}}}}));
  const auto stopped =
      run_fovea(trainings.arguments("run", {"--set", "train.steps=3"}), R"(exec "$0" "$@" >/dev/full)");
  CHECK(stopped.exit_code == 1);
  CHECK(lines_in(stopped.err) == 1);
  CHECK_THAT(stopped.err, Catch::StartsWith("fovea: cannot write to standard output: No space left on device; stopped "
                                            "after step "));
  CHECK(run_fovea(trainings.arguments("run", {"--set", "train.steps=3", "--resume"})).exit_code == 0);
}

TEST_CASE("fault: away from a terminal there are plain lines and no bar, whatever TERM says", "[output][fault]") {
  const TrainingFolder trainings;
  write_files(trainings.data, made_files(DatasetFormat::Coco, {{"a.png", {{}}}}, {{"v.png", {{}}}}));
  const std::string term = GENERATE("TERM=xterm-256color", "TERM=dumb", "TERM=");
  const auto trained =
      run_fovea(trainings.arguments("run", {"--set", "train.steps=3"}), "export " + term + R"(; "$0" "$@")");
  CAPTURE(trained.out, trained.err);
  CHECK(trained.exit_code == 0);
  CHECK(trained.err.empty());
  CHECK_THAT(trained.out, !Contains("\r") && !Contains("\x1b") && Contains("step 1/3  loss ") &&
                              Contains("step 3/3  loss ") && Catch::EndsWith("\n"));
}

TEST_CASE("fault: a locale with decimal commas changes neither what is read nor what is written, in every format",
          "[output][fault]") {
  const DatasetFormat format =
      GENERATE(DatasetFormat::Coco, DatasetFormat::Voc, DatasetFormat::Csv, DatasetFormat::Yolo);
  CAPTURE(name_of(format));
  TrainingFolder trainings;
  if (!make_german_locale(trainings.folder.path() / "locale")) SKIP_TEST("localedef makes no German locale");
  write_files(trainings.data, made_files(format, {{"a.png", {{{3.25, 4.5, 33.75, 34.125}}}}},
                                         {{"v.png", {{{1.5, 2.5, 20.25, 30.5}}}}}));
  const std::string german = fmt::format(
      R"sh(export LOCPATH={} LC_ALL=de_DE.UTF-8 LANG=de_DE.UTF-8; test "$(locale decimal_point)" = , && exec "$0" "$@")sh",
      (trainings.folder.path() / "locale").string());
  const auto said = [&](const std::string& name, const std::string& script) {
    const Arguments training{"--device", "cpu", "--set", "train.steps=2", "--set", "train.schedule.base=0.0015"};
    const std::string stats = (trainings.folder.path() / (name + "_stats")).string();
    for (const Arguments& arguments :
         {trainings.arguments(name, training), Arguments{"data", "stats", trainings.data.string(), "--out", stats}}) {
      const auto result = run_fovea(arguments, script);
      CAPTURE(arguments, result.err);
      REQUIRE(result.exit_code == 0);
    }
    std::string log = read_text(trainings.run(name) / "log.jsonl");  // but for how long it took
    for (size_t at = log.find(",\"images_per_second\""); at != log.npos; at = log.find(",\"images_per_second\""))
      log.erase(at, log.find('}', at) - at);
    return log + read_text(trainings.run(name) / "config.toml") + read_text(stats + "/stats.json") +
           read_text(stats + "/stats.svg");
  };
  CHECK(said("german", german) == said("plain", ""));
  CHECK_THAT(read_text(trainings.run("german") / "config.toml"), Contains("base = 0.0015"));
  check_same_tensors(trainings.run("german") / "last.safetensors", trainings.run("plain") / "last.safetensors");
}

TEST_CASE("fault: results of equal scores count in the order of their list", "[output][fault]") {
  const std::string right = R"({"image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50], "score": 0.5})",
                    wrong = R"({"image_id": 1, "category_id": 1, "bbox": [90, 90, 9, 9], "score": 0.5})";
  // The list begins with the worst one, so that there is something to sort.
  const std::string worst = R"({"image_id": 1, "category_id": 1, "bbox": [90, 90, 9, 9], "score": 0.1})";
  const auto with_right_at = [&](int place) {
    std::string list = "[" + worst;
    for (int i = 0; i < 40; ++i) list += ", " + (i == place ? right : wrong);
    return ap_of(list + "]");
  };
  for (const int place : {0, 1, 17, 39}) CHECK(with_right_at(place) == Approx(1.0 / (place + 1)));
}
