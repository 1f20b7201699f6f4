// A run's folder: one training at a time, nothing left of a start that failed, and a resume on the same data only.
#include <signal.h>

#include "tests/support/catch.h"
#include "tests/support/checked_run.h"
#include "tests/support/training_folder.h"
#include "tests/support/weights_file.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

constexpr const char* kLast = "last.safetensors";

struct Runs : TrainingFolder {
  Runs() { make_data(data, 4, 2); }
  Arguments arguments(const std::string& name, const Arguments& more = {}) const {
    return TrainingFolder::arguments(
        name,
        joined({"--set", "train.steps=4", "--set", "train.checkpoint_every=2", "--set", "train.eval_every=0"}, more));
  }
  // The dataset's annotations with `from` replaced by `to`, in both splits, as another dataset.
  fs::path changed_data(const std::string& name, const std::string& from, const std::string& to,
                        const Arguments& splits = {"train", "val"}) const {
    const fs::path other = folder.path() / name;
    fs::copy(data, other, fs::copy_options::recursive);
    for (const std::string& split : splits) {
      const fs::path json = other / "annotations" / ("instances_" + split + ".json");
      std::string text = read_text(json);
      REQUIRE(text.find(from) != std::string::npos);
      text.replace(text.find(from), from.size(), to);
      write_text(json, text);
    }
    return other;
  }
  Arguments on(const fs::path& other, const std::string& name, const Arguments& more = {}) const {
    Arguments all = arguments(name, more);
    *(std::find(all.begin(), all.end(), "--data") + 1) = other.string();
    return all;
  }
};

}  // namespace

TEST_CASE("run folder: a start that fails leaves nothing, and the corrected command works", "[run_folder]") {
  const Runs runs;
  const fs::path run = runs.folder.path() / "runs" / "first";
  const auto into = [&](const fs::path& data) {
    Arguments all = runs.on(data, "x");
    *(std::find(all.begin(), all.end(), "--out") + 1) = run.string();
    return all;
  };
  check_fails(3, into(runs.changed_data("broken", "\"images\"", "\"imagez\"")), "images");
  CHECK_FALSE(fs::exists(run.parent_path()));
  CHECK(run_fovea(into(runs.data)).exit_code == 0);
  CHECK_FALSE(fs::exists(run / ".lock"));

  const fs::path mine = runs.run("mine");  // what the user has there stays
  write_text(mine / "notes.txt", "important");
  check_fails(3, runs.on(runs.folder.path() / "none", "mine"), "does not exist");
  CHECK(contents(mine).size() == 1);
  CHECK(run_fovea(runs.arguments("mine")).exit_code == 0);
  CHECK(read_text(mine / "notes.txt") == "important");
}

TEST_CASE("run folder: a refused resume makes nothing and says what to do", "[run_folder]") {
  const Runs runs;
  check_fails(2, runs.arguments("none", {"--resume"}), "holds no run to resume");
  CHECK_FALSE(fs::exists(runs.run("none")));
  CHECK(run_fovea(runs.arguments("none")).exit_code == 0);
  check_fails(2, runs.arguments("none"), "already holds a run; resume it (--resume)");
}

TEST_CASE("run folder: a log without a checkpoint is no run", "[run_folder]") {
  const Runs runs;
  write_text(runs.run("run") / "log.jsonl", "{\"step\":1,\"loss\":7}\n");
  check_fails(2, runs.arguments("run", {"--resume"}), "holds no run to resume");
  CHECK(run_fovea(runs.arguments("run")).exit_code == 0);
  CHECK_THAT(read_text(runs.run("run") / "log.jsonl"), !Contains("\"loss\":7}"));
}

TEST_CASE("run folder: a second training in it ends at once and names the first, which is not disturbed",
          "[run_folder]") {
  const Runs runs;
  Process first(runs.arguments("run", {"--set", "train.steps=100000"}));
  REQUIRE(wait_for(runs.run("run") / kLast));
  for (const Arguments& more : {Arguments{"--resume", "--allow-config-change"}, Arguments{"--resume"}}) {
    const auto second = run_fovea(runs.arguments("run", more));
    CAPTURE(second.err);
    CHECK(second.exit_code == 2);
    CHECK_THAT(second.err, Contains("another training (process ") && Contains("writes into this folder"));
  }
  CHECK(first.running());
  first.signal(SIGKILL);
  first.wait();
  // The lock of a killed process holds nobody up.
  const auto resumed =
      run_fovea(runs.arguments("run", {"--resume", "--allow-config-change", "--set", "train.steps=5"}));
  CAPTURE(resumed.err);
  CHECK((resumed.exit_code == 0 || resumed.exit_code == 2));  // 2: it had come further than 5 steps
  CHECK_THAT(resumed.err, !Contains("another training"));
}

TEST_CASE("resume with other classes, images or boxes is refused with the difference, unless allowed",
          "[run_folder][resume]") {
  const Runs runs;
  REQUIRE(run_fovea(runs.arguments("run", {"--set", "train.steps=2"})).exit_code == 0);
  const auto before = contents(runs.run("run"));
  const Arguments resume{"--resume", "--allow-config-change"};
  const auto refused = [&](const fs::path& other, const std::string& words) {
    check_fails(2, runs.on(other, "run", resume), words);
    CHECK(contents(runs.run("run")) == before);
  };
  const fs::path renamed = runs.changed_data("renamed", "\"name\":\"RBC\"", "\"name\":\"erythrocyte\"");
  refused(renamed, "RBC -> erythrocyte");
  refused(renamed, "--allow-data-change");
  const fs::path more = runs.changed_data("more", "\"categories\":[", "\"categories\":[{\"id\":99,\"name\":\"new\"},");
  refused(more, "has 3 classes, the dataset has 4; start a new run from its weights (--init-from)");
  const fs::path moved = runs.changed_data("moved", "\"bbox\":[", "\"bbox\":[1,1,2,2],\"was\":[", {"train"});
  refused(moved, "train: as many images (4)");
  const fs::path fewer = runs.changed_data("fewer", "\"annotations\":[{", "\"annotations\":[],\"more\":[{", {"val"});
  CHECK(run_fovea(runs.on(fewer, "run", resume)).exit_code != 0);
  CHECK(contents(runs.run("run")) == before);

  const auto allowed = run_fovea(runs.on(renamed, "run", joined(resume, {"--allow-data-change"})));
  CAPTURE(allowed.err);
  REQUIRE(allowed.exit_code == 0);
  CHECK_THAT(SafetensorsFile(runs.run("run") / kLast).metadata().at("fovea.categories"), Contains("erythrocyte"));
  // The same data at another place, and a checkpoint that does not say what it was trained on, are fine.
  CHECK(run_fovea(runs.on(renamed, "run", joined(resume, {"--set", "train.steps=5"}))).exit_code == 0);
}

TEST_CASE("weights that are not finite are refused by tensor in every command, unless allowed", "[run_folder][fault]") {
  const Runs runs;
  REQUIRE(run_fovea(runs.arguments("run")).exit_code == 0);
  const SafetensorsFile good(runs.run("run") / kLast);
  const std::string damaged = "backbone.body.conv1.weight";
  const std::string state = good.tensors().lower_bound("optimizer.")->first;
  REQUIRE_THAT(state, Catch::StartsWith("optimizer."));
  const auto with_nan = [&](const std::string& name) {
    auto tensors = good.tensors();
    std::vector<float> values = good.read<float>(name);
    values[3] = NAN;
    values[5] = INFINITY;
    tensors[name].data = std::as_bytes(std::span(values));
    const fs::path path = runs.folder.path() / (name + ".safetensors");
    write_safetensors(path, tensors, good.metadata());
    return path;
  };
  const std::string nan = with_nan(damaged).string(), image = (runs.data / "val").string();
  const std::string words = "tensor '" + damaged + "' holds numbers that are not finite (2 of ";
  const std::string out = runs.run("out").string();
  for (const Arguments& command :
       {Arguments{"info", "--weights", nan}, Arguments{"detect", image, "--weights", nan, "--out", out},
        Arguments{"eval", "--weights", nan, "--data", runs.data.string()},
        runs.arguments("tuned", {"--init-from", nan})}) {
    CAPTURE(command);
    check_fails(3, command, words);
    check_fails(3, command, "--allow-non-finite");
    if (command[0] != "train") CHECK(run_fovea(joined(command, {"--allow-non-finite"})).exit_code == 0);
  }
  for (const fs::path& path : {fs::path(nan), with_nan(state)}) {
    fs::copy_file(path, runs.run("run") / kLast, fs::copy_options::overwrite_existing);
    check_fails(3, runs.arguments("run", {"--resume"}), "holds numbers that are not finite (2 of ");
  }
}

TEST_CASE("a configuration in a weights file that makes no sense is the file's fault", "[run_folder][fault]") {
  const Runs runs;
  const SafetensorsFile good(write_weights(runs.folder.path() / "good.safetensors"));
  const std::string bad = (runs.folder.path() / "bad.safetensors").string();
  for (const char* config : {"rubbish", "[train]\nfoo = 1", "[model.loss]\nalpha = nan", "[model]\nclasses = 0"}) {
    auto metadata = good.metadata();
    metadata["fovea.config"] = config;
    write_safetensors(bad, good.tensors(), metadata);
    check_fails(3, {"info", "--weights", bad}, bad + ": ");
    check_fails(3, {"eval", "--weights", bad, "--data", runs.data.string()}, "the metadata is not valid: ");
  }
}

TEST_CASE("torchvision's published names of before its release 0.14 load as the new ones do", "[run_folder]") {
  const Runs runs;
  const Arguments plain{"--set", "model.head.norm=\"none\""};
  REQUIRE(run_fovea(runs.arguments("run", plain)).exit_code == 0);
  const SafetensorsFile file(runs.run("run") / "best.safetensors");
  std::map<std::string, StoredTensor> renamed;
  for (const auto& [name, tensor] : file.tensors()) {
    std::string old = name;
    for (const char* block : {"inner_blocks", "layer_blocks"})
      if (const size_t at = old.find(block); at != old.npos) old.erase(at + 14, 2);  // "…blocks.1.0.weight"
    if (const size_t at = old.find("_head.conv."); at != old.npos) {
      old[at + 11] = static_cast<char>('0' + 2 * (old[at + 11] - '0'));
      old.erase(at + 12, 2);
    }
    renamed[old] = tensor;
  }
  REQUIRE(renamed.contains("backbone.fpn.inner_blocks.0.weight"));
  const fs::path published = runs.folder.path() / "published.safetensors";
  write_safetensors(published, renamed, file.metadata());
  const auto detections = [&](const fs::path& weights) {
    const fs::path json = runs.folder.path() / "detections.json";
    const auto result = run_fovea({"eval", "--weights", weights.string(), "--data", runs.data.string(),
                                   "--save-detections", json.string(), "--set", "model.detect.score_threshold=0.0"});
    CAPTURE(result.err);
    REQUIRE(result.exit_code == 0);
    return read_text(json);
  };
  const std::string expected = detections(file.path());
  CHECK(expected.size() > 10000);
  CHECK(detections(published) == expected);
  const auto tuned =
      run_fovea(runs.arguments("tuned", joined(plain, {"--init-from", published.string(), "--set", "train.steps=1"})));
  CAPTURE(tuned.err);
  CHECK_THAT(tuned.out, Contains("of another shape): none\n"));
}
