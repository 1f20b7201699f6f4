// What a user's folder holds stays: a file that Fovea has not written is never replaced, and its own are.
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/catch.h"
#include "tests/support/data_command.h"
#include "tests/support/faulty_set.h"
#include "tests/support/training_folder.h"
#include "tests/support/weights_file.h"
#include "tools/text/file_lock.h"
#include "tools/text/outputs.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

struct Bench : TrainingFolder {
  std::string weights = write_weights(folder.path() / "weights.safetensors");
  Bench() {
    // One box has no height, so that there is something to list.
    write_files(data,
                made_files(DatasetFormat::Coco, {{"a.png", {MadeBox{}, MadeBox{{10, 10, 10, 10}}}}, {"b.png", {{}}}},
                           {{"v.png", {{}}}, {"w.png", {{}}}}));
  }
  std::string at(const std::string& name) const { return (folder.path() / name).string(); }
  Arguments detect(const Arguments& more) const { return joined({"detect", "--weights", weights}, more); }

  // Refused with code 2 before anything has changed.
  void check_refused(const Arguments& arguments, const std::string& words) const {
    CAPTURE(arguments);
    const auto before = contents(folder.path());
    check_fails(2, arguments, words);
    CHECK((contents(folder.path()) == before));
  }
};

struct Written {
  Arguments arguments;
  std::vector<std::string> files;  // that it replaces
};

std::vector<Written> commands(const Bench& bench) {
  const std::string data = bench.data.string(), out = bench.at("out");
  const Arguments eval{"eval", "--data", data, "--detections", bench.at("results.json")};
  write_text(bench.at("results.json"), "[]");
  const auto in_out = [&](const Arguments& names) {
    Arguments files;
    for (const std::string& name : names) files.push_back(out + "/" + name);
    return files;
  };
  return {
      {joined(eval, {"--json", bench.at("metrics.json")}), {bench.at("metrics.json")}},
      {joined(eval, {"--save-detections", bench.at("found.json")}), {bench.at("found.json")}},
      {joined(eval, {"--report", out}),
       in_out({"report.html", "report.json", "errors.png", "errors.svg", "worst/01_1.jpg"})},
      {{"anchors", data, "--preset", "tiny", "--out", out}, in_out({"anchors.toml", "anchors.json", "anchors.png"})},
      {{"data", "check", data, "--preset", "tiny", "--json", bench.at("check.json"), "--out", out},
       joined({bench.at("check.json")}, in_out({"bad_boxes.txt"}))},
      {{"data", "show", data, "--preset", "tiny", "--out", out}, in_out({"1_a.png", "contact_sheet.png"})},
      {{"data", "show", data, "--augment", "2", "--out", out}, in_out({"1_a_epoch1.png"})},
      {{"data", "stats", data, "--out", out}, in_out({"stats.png", "stats.json"})},
      {bench.detect({data + "/val", "--out", out}), in_out({"detections.json", "v.jpg", "contact_sheet.png"})}};
}

}  // namespace

TEST_CASE("a file may be replaced that is none, is empty, is no file, or has the mark in its head", "[own_files]") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "file";
  CHECK(may_replace(file));
  write_text(file, "");
  CHECK(may_replace(file));
  write_text(file, "# made by Fovea\nlines");
  CHECK(may_replace(file));
  CHECK_FALSE(may_replace(file, {"another mark"}));
  CHECK(may_replace(file, {"another mark", "Fovea\n"}));
  write_text(file, "the user's own");
  CHECK_FALSE(may_replace(file));
  write_text(file, std::string(600, ' ') + "made by Fovea");
  CHECK_FALSE(may_replace(file));
  write_text(file, with_checksum("a = 1\n"));
  CHECK(may_replace(file, {kUnedited}));
  CHECK_FALSE(may_replace(file));
  for (const std::string& edited :
       {with_checksum("a = 1\n") + "# mine\n", std::string(kUnedited) + "0\na = 1\n", std::string(kUnedited)}) {
    write_text(file, edited);
    CHECK_FALSE(may_replace(file, {kUnedited}));
  }
  CHECK_FALSE(may_replace(folder.path()));
  CHECK(may_replace("/dev/null"));
}

TEST_CASE("fault: no command replaces a file that it has not written, and each replaces its own",
          "[own_files][outputs][fault]") {
  const Bench bench;
  for (const Written& written : commands(bench)) {
    for (const std::string& file : written.files) {
      write_text(file, "the user's own");
      bench.check_refused(written.arguments, file + ": was not written by Fovea, and would be overwritten");
      fs::remove(file);
    }
    const auto expected = run(written.arguments);
    CHECK(expected.exit_code == 0);
    for (const std::string& file : written.files) {
      CAPTURE(file);
      CHECK(fs::exists(file));
    }
    const auto once = contents(bench.folder.path());
    CHECK(run(written.arguments).exit_code == expected.exit_code);
    CHECK((contents(bench.folder.path()) == once));
    fs::remove_all(bench.at("out"));
  }
  const std::string file = bench.at("file");
  write_text(file, "the user's own");
  for (const Arguments& measuring : {Arguments{"info", "--preset", "tiny", "--simulate", "--json", file},
                                     {"bench", "--preset", "tiny", "--json", file},
                                     {"bench", "--preset", "tiny", "--outputs", file}})
    bench.check_refused(measuring, file + ": was not written by Fovea");
}

TEST_CASE("fault: a training replaces no file of the user's, nor the configuration that it was given",
          "[own_files][run_folder][fault]") {
  const Bench bench;
  const Arguments short_one{"--set", "train.steps=1", "--device", "cpu"};
  for (const char* name : {"config.toml", "log.jsonl", "chart.png", "chart.svg", "bad_images.txt", "bad_boxes.txt"}) {
    write_text(bench.run("run") / name, "the user's own");
    bench.check_refused(bench.arguments("run", short_one), std::string(name) + ": was not written by Fovea");
    fs::remove_all(bench.run("run"));
  }
  const fs::path config = bench.run("run") / "config.toml";
  write_text(config, "# mine\ntrain.steps = 1\n");
  bench.check_refused(bench.arguments("run", {config.string(), "--device", "cpu"}),
                      "would overwrite the input " + config.string());
  fs::remove(config);
  check_runs(bench.arguments("run", short_one));

  // What a start that came no further has left is the run's own.
  for (const char* name : {"last.safetensors", "best.safetensors"}) fs::remove(bench.run("run") / name);
  check_runs(bench.arguments("run", short_one));

  // A resumed run may be given its own configuration, and leaves the user's comments in it.
  write_text(config, "# mine\n" + read_text(config));
  const auto resumed = run({"train", config.string(), "--data", bench.data.string(), "--out", bench.run("run").string(),
                            "--resume", "--device", "cpu"});
  CHECK(resumed.exit_code == 0);
  CHECK_THAT(read_text(config), Catch::StartsWith("# mine\n"));
}

TEST_CASE("fault: a training into its dataset is refused", "[own_files][run_folder][fault]") {
  const Bench bench;
  const std::string data = bench.data.string();
  for (const std::string& out : {data, data + "/run", data + "/train/run"})
    bench.check_refused({"train", "--preset", "tiny", "--data", data, "--out", out}, "lies inside the dataset");
  write_files(bench.folder.path() / "other", made_files(DatasetFormat::Coco, {{"a.png", {{}}}}, {{"v.png", {{}}}}));
  for (const char* option : {"--val", "--images"})
    bench.check_refused(
        {"train", "--preset", "tiny", "--data", bench.at("other"), option, data, "--out", data + "/run"},
        "lies inside the dataset");
}

TEST_CASE("fault: a second detection into a folder ends at once and names the first", "[own_files][detect][fault]") {
  const Bench bench;
  const std::string out = bench.at("out");
  fs::create_directories(out);
  const Arguments arguments = bench.detect({bench.data.string() + "/val", "--out", out});
  {
    const FileLock first(out + "/.lock", "detection");
    bench.check_refused(arguments, fmt::format("another detection (process {} on ", getpid()));
  }
  check_runs(arguments);
  CHECK_FALSE(fs::exists(out + "/.lock"));
  write_text(out + "/.lock", "the user's own");
  bench.check_refused(arguments, ".lock: is in the way of a lock");
}

TEST_CASE("fault: what is no regular file is never opened, and said in a line", "[own_files][fault]") {
  const Bench bench;
  const std::string pipe = bench.at("pipe.png"), out = bench.at("out");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  for (const std::string& file : {pipe, std::string("/dev/null")}) {
    check_fails(3, bench.detect({file, "--out", out}), file + ": is not a regular file\nfovea: 1 of 1 images");
    check_fails(3, {"detect", bench.data.string(), "--weights", file, "--out", out}, "it is not a regular file");
    check_fails(2, bench.arguments("run", {file}), file + ": is not a regular file");
    check_fails(3, {"eval", "--ground-truth", file, "--detections", bench.weights}, file + ": is not a regular file");
  }
  fs::remove(bench.data / "train/a.png");
  REQUIRE(mkfifo((bench.data / "train/a.png").c_str(), 0600) == 0);
  check_fails(3, bench.arguments("run", {"--device", "cpu"}), "a.png: is not a regular file");
}

TEST_CASE("fault: images of the user's in the output folder are neither left out nor mixed with pictures",
          "[own_files][detect][fault]") {
  const Bench bench;
  const std::string photos = bench.at("photos"), out = photos + "/found", own = out + "/own/b.png";
  write_files(photos, {{"a.png", "image 60x40"}, {"found/own/b.png", "image 60x40"}});
  const Arguments arguments = bench.detect({photos, "--out", out});
  bench.check_refused(arguments, own + ": lies in the output folder, and is no picture of detections: choose another");
  fs::remove(own);
  check_runs(arguments);
  check_runs(arguments);  // the pictures of the first are left out
  write_files(photos, {{"found/own/b.png", "image 60x40"}});
  bench.check_refused(arguments, own + ": lies in the output folder");
  const auto again =
      run_fovea(bench.detect({photos, "--out", bench.at("again")}));  // takes the user's, not those drawn
  CHECK(again.exit_code == 0);
  CHECK_THAT(again.out, Contains("photos/a.png: ") && Contains("found/own/b.png: ") && !Contains("found/a.jpg") &&
                            !Contains("found/contact_sheet.png"));
}

TEST_CASE("fault: weights that do not fit a changed configuration say that the file has its own",
          "[own_files][fault]") {
  const Bench bench;
  const auto failed =
      run_fovea(bench.detect({bench.data.string() + "/val", "--out", bench.at("out"), "--preset", "r18"}));
  CHECK(failed.exit_code == 3);
  CHECK_THAT(failed.err, Contains("the file has a configuration of its own, which was changed (model.") &&
                             Contains("leave it as it is (without --preset, --config and --set)"));
}

TEST_CASE("fault: a report that cannot be written is refused before the work", "[own_files][fault]") {
  const Bench bench;
  write_text(bench.at("file"), "x");
  for (const std::string& report : {bench.at("file"), bench.at("file/below/report")}) {
    const auto refused =
        run_fovea({"eval", "--weights", bench.weights, "--data", bench.data.string(), "--report", report});
    CHECK(refused.exit_code == 1);
    CHECK(refused.out.empty());
    CHECK_THAT(refused.err, Contains(report) && Contains("Not a directory"));
  }
}

TEST_CASE("fault: a configuration that its user has edited is not replaced, whatever command would",
          "[own_files][fault]") {
  const Bench training;
  const auto arguments = training.arguments("run", {"--set", "train.steps=1"});
  CHECK(run_fovea(arguments).exit_code == 0);
  const std::string config = (training.run("run") / "config.toml").string(),
                    weights = (training.run("run") / "last.safetensors").string();
  const auto evaluated = run_fovea({"eval", "--weights", weights, "--data", training.data.string(), "--json", config});
  CHECK(evaluated.exit_code == 2);
  CHECK_THAT(evaluated.err, Contains("config.toml: was not written by Fovea"));
  fs::remove(weights);
  fs::remove(training.run("run") / "best.safetensors");
  CHECK(run_fovea(arguments).exit_code == 0);  // what an earlier start has left, as it was written
  fs::remove(weights);
  fs::remove(training.run("run") / "best.safetensors");
  const auto bytes = read_file(config);
  write_text(config, std::string(bytes.begin(), bytes.end()) + "# mine\n");
  const auto again = run_fovea(arguments);
  CHECK(again.exit_code == 2);
  CHECK_THAT(again.err, Contains("config.toml: was not written by Fovea"));
}

TEST_CASE("fault: where only the best weights are, neither a start nor a resume sends to the other",
          "[own_files][fault]") {
  const Bench training;
  make_folder(training.run("run"));
  write_text((training.run("run") / "best.safetensors").string(), "weights");
  for (const Arguments& more : {Arguments{}, Arguments{"--resume"}}) {
    const auto refused = run_fovea(training.arguments("run", more));
    CHECK(refused.exit_code == 2);
    CHECK_THAT(refused.err, Contains("holds best.safetensors without a run to resume: choose another folder, or move"));
  }
}

TEST_CASE("fault: what was trained is kept where its validation fails", "[own_files][fault]") {
  const Bench training;
  for (const char* image : {"v.png", "w.png"}) write_text(training.data / "val" / image, "damaged");
  const auto failed = run_fovea(training.arguments("run", {"--set", "train.steps=2"}));
  CHECK(failed.exit_code == 3);
  CHECK_THAT(failed.err, Contains("images cannot be read"));
  REQUIRE(fs::exists(training.run("run") / "last.safetensors"));
  write_files(training.data, {{"val/v.png", "image 64x48"}, {"val/w.png", "image 64x48"}});
  const auto resumed = run_fovea(training.arguments("run", {"--set", "train.steps=2", "--resume"}));
  CAPTURE(resumed.out, resumed.err);
  CHECK(resumed.exit_code == 0);
  CHECK_THAT(resumed.out, Contains("step 2: AP "));
}

TEST_CASE("fault: an empty word is refused, as an unset variable of a shell leaves one", "[own_files][fault]") {
  const Bench bench;
  const std::string data = bench.data.string();
  bench.check_refused({"train", "--preset", "tiny", "--data", data, "--out", bench.at("run"), "--init-from", ""},
                      "the word after --init-from is empty: give it a value, or leave it out");
  bench.check_refused({"eval", "--weights", bench.weights, "--data", data, "--json="},
                      "the word after --json is empty");
  bench.check_refused({"data", "check", ""}, "the word after check is empty");
  bench.check_refused({""}, "the word after fovea is empty");
}
