// The program as its users meet it: trainings that are ended and go on, and everything that may go wrong.
#include <signal.h>

#include <sstream>

#include "engine/safetensors.h"
#include "kernels/device/cuda_device.h"
#include "tests/support/catch.h"
#include "tests/support/checked_run.h"
#include "tests/support/classifier_file.h"
#include "tests/support/training_folder.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

struct Trainings : TrainingFolder {
  explicit Trainings(size_t train = 6, size_t val = 2,
                     const std::function<std::string(size_t, const std::string&)>& edit = {}) {
    make_data(data, train, val, edit);
  }
  Arguments arguments(const char* name, const Arguments& more = {}) const {
    return TrainingFolder::arguments(
        name,
        joined({"--set", "train.steps=16", "--set", "train.checkpoint_every=4", "--set", "train.eval_every=8"}, more));
  }
};

}  // namespace

TEST_CASE("resume after kill -9 ends bit-identical to an uninterrupted run", "[train][resume]") {
  const Trainings trainings;
  const auto whole = run_fovea(trainings.arguments("whole"));
  CAPTURE(whole.err);
  REQUIRE(whole.exit_code == 0);
  {
    Process killed(trainings.arguments("killed"));
    REQUIRE(wait_for(trainings.run("killed") / "last.safetensors"));
    killed.signal(SIGKILL);
    CHECK(killed.wait().exit_code == 128 + SIGKILL);
  }
  const auto resumed = run_fovea(trainings.arguments("killed", {"--resume"}));
  CAPTURE(resumed.err);
  REQUIRE(resumed.exit_code == 0);
  CHECK_THAT(resumed.out, Contains("resuming"));
  CHECK(read_text(trainings.run("whole") / "last.safetensors") ==
        read_text(trainings.run("killed") / "last.safetensors"));
}

TEST_CASE("resume after Ctrl-C: the step is finished, saved, exit code 130, and the run goes on exactly",
          "[train][resume]") {
  const Trainings trainings;
  REQUIRE(run_fovea(trainings.arguments("whole")).exit_code == 0);
  Process stopped(trainings.arguments("stopped"));
  REQUIRE(wait_for(trainings.run("stopped") / "last.safetensors"));
  stopped.signal(SIGINT);
  const auto result = stopped.wait();
  CAPTURE(result.out, result.err);
  REQUIRE(result.exit_code == 130);
  CHECK_THAT(result.err, Contains("--resume"));
  REQUIRE(run_fovea(trainings.arguments("stopped", {"--resume"})).exit_code == 0);
  check_same_tensors(trainings.run("whole") / "last.safetensors", trainings.run("stopped") / "last.safetensors");
}

TEST_CASE("resume falls back to the previous checkpoint when the last one is damaged, and says so",
          "[train][resume][fault]") {
  const Trainings trainings;
  REQUIRE(run_fovea(trainings.arguments("run")).exit_code == 0);
  const std::string good = read_text(trainings.run("run") / "last.safetensors");
  write_text(trainings.run("run") / "last.safetensors", good.substr(0, good.size() / 2));
  const auto resumed = run_fovea(trainings.arguments("run", {"--resume"}));
  CAPTURE(resumed.err);
  REQUIRE(resumed.exit_code == 0);
  CHECK_THAT(resumed.err, Contains("truncated") && Contains("falling back") && Contains("previous.safetensors"));
  CHECK(read_text(trainings.run("run") / "last.safetensors") == good);

  write_text(trainings.run("run") / "last.safetensors", "x");
  write_text(trainings.run("run") / "previous.safetensors", "x");
  CHECK(run_fovea(trainings.arguments("run", {"--resume"})).exit_code == 3);
}

TEST_CASE("resume with another configuration is refused with the difference, unless allowed",
          "[train][resume][fault]") {
  const Trainings trainings;
  REQUIRE(run_fovea(trainings.arguments("run")).exit_code == 0);
  const auto refused = run_fovea(trainings.arguments("run", {"--resume", "--set", "train.schedule.base=0.5"}));
  CHECK(refused.exit_code == 2);
  CHECK_THAT(refused.err, Contains("train.schedule.base: 0.002 -> 0.5") && Contains("--allow-config-change"));
  CHECK(run_fovea(trainings.arguments("run", {"--resume", "--allow-config-change", "--set", "train.steps=18"}))
            .exit_code == 0);
}

TEST_CASE("determinism: the same run twice, and with other numbers of decoding threads, gives the same bits",
          "[train][determinism]") {
  const Trainings trainings;
  REQUIRE(run_fovea(trainings.arguments("one", {"--set", "input.workers=1"})).exit_code == 0);
  REQUIRE(run_fovea(trainings.arguments("again", {"--set", "input.workers=1"})).exit_code == 0);
  REQUIRE(
      run_fovea(trainings.arguments("three", {"--set", "input.workers=3", "--set", "input.cache_mb=0"})).exit_code ==
      0);
  CHECK(read_text(trainings.run("one") / "last.safetensors") == read_text(trainings.run("again") / "last.safetensors"));
  check_same_tensors(trainings.run("one") / "last.safetensors", trainings.run("three") / "last.safetensors");
  REQUIRE(run_fovea(trainings.arguments("other", {"--seed", "7"})).exit_code == 0);
  CHECK(read_text(trainings.run("one") / "last.safetensors") != read_text(trainings.run("other") / "last.safetensors"));
}

TEST_CASE("replay: steps recorded and replayed over changing shapes give the bits of steps that are not",
          "[train][replay]") {
  const Trainings trainings;
  const auto weights = [&](const char* name, const std::vector<std::string>& more) {
    const auto changed = trainings.arguments(name, {"--set", "train.steps=24", "--set", "input.short_side=[64,96]",
                                                    "--set", "train.optimizer.ema_decay=0.9"});
    const auto result = run_fovea(joined(changed, more));
    CAPTURE(result.err);
    REQUIRE(result.exit_code == 0);
    return trainings.run(name) / "last.safetensors";
  };
  check_same_tensors(weights("recorded", {}), weights("eager", {"--set", "train.record=false"}));
}

TEST_CASE("a run leaves what users look for, and detection reads it", "[train]") {
  const Trainings trainings;
  REQUIRE(run_fovea(trainings.arguments("run")).exit_code == 0);
  for (const char* name :
       {"config.toml", "log.jsonl", "last.safetensors", "best.safetensors", "chart.png", "chart.svg"})
    CHECK(fs::exists(trainings.run("run") / name));
  CHECK_THAT(read_text(trainings.run("run") / "log.jsonl"), Contains("\"step\":16") && Contains("\"ap\""));
  const auto weights = (trainings.run("run") / "last.safetensors").string();
  const auto found = run_fovea({"detect", (trainings.data / "val").string(), "--weights", weights, "--out",
                                (trainings.folder.path() / "found").string()});
  CAPTURE(found.err);
  CHECK(found.exit_code == 0);
  CHECK(fs::exists(trainings.folder.path() / "found" / "contact_sheet.png"));
  CHECK(fs::exists(trainings.folder.path() / "found" / "detections.json"));
  const auto metrics = trainings.folder.path() / "metrics.json";
  CHECK(run_fovea({"eval", "--weights", weights, "--data", trainings.data.string(), "--json", metrics.string()})
            .exit_code == 0);
  CHECK_THAT(read_text(metrics), Contains("\"AP50\""));
}

TEST_CASE("init-from takes the weights that fit and names the head that starts anew", "[train]") {
  const Trainings trainings;
  REQUIRE(run_fovea(trainings.arguments("run")).exit_code == 0);
  const auto weights = (trainings.run("run") / "last.safetensors").string();
  const fs::path fewer = trainings.folder.path() / "fewer";
  fs::copy(trainings.data, fewer, fs::copy_options::recursive);
  for (const char* split : {"train", "val"}) {  // one class more
    const fs::path json = fewer / "annotations" / (std::string("instances_") + split + ".json");
    std::string text = read_text(json);
    text.replace(text.find("\"categories\":["), 14, "\"categories\":[{\"id\":99,\"name\":\"new\"},");
    write_text(json, text);
  }
  const auto tuned = run_fovea({"train", "--preset", "tiny", "--set", "train.steps=2", "--data", fewer.string(),
                                "--out", trainings.run("tuned").string(), "--init-from", weights});
  CAPTURE(tuned.err);
  CHECK(tuned.exit_code == 0);
  CHECK_THAT(tuned.out,
             Contains("head.classification_head.cls_logits.weight, head.classification_head.cls_logits.bias\n"));
}

TEST_CASE("init-from takes the backbone of a classifier of torchvision's and says what is left out", "[train]") {
  const Trainings trainings;
  for (const Classifier& classifier : classifiers()) {
    const std::string network = classifier.network;
    if (network == "narrow_resnext" || network == "narrow_vgg") continue;  // whose widths and norm are not the preset's
    CAPTURE(network);
    const fs::path weights = trainings.folder.path() / (network + ".safetensors");
    write_classifier(weights, classifier);
    const bool inception = network == "narrow_inception";
    const auto result = run_fovea(trainings.arguments(
        classifier.network, {"--set", std::string("model.backbone.kind=") + (inception ? "inception" : "vgg"), "--set",
                             "train.steps=1", "--init-from", weights.string()}));
    CAPTURE(result.out, result.err);
    CHECK(result.exit_code == 0);
    CHECK_THAT(result.out, Contains("weights from " + weights.string()) && !Contains("backbone.body") &&
                               Contains("head.regression_head.bbox_reg.weight") &&
                               Contains(inception ? "\nleft out: AuxLogits (2 tensors), fc (2 tensors)\n"
                                                  : "\nleft out: classifier (2 tensors)\n"));
  }
}

TEST_CASE("images without boxes and crowd-only images train", "[train]") {
  const Trainings trainings(6, 2, [](size_t image, const std::string& annotations) -> std::string {
    if (image < 2) return "";
    if (image == 2) {
      std::string crowd = annotations.substr(0, annotations.find("}") + 1);
      crowd.replace(crowd.find("\"iscrowd\":0"), 11, "\"iscrowd\":1");
      return crowd;
    }
    return annotations;
  });
  const auto result = run_fovea(trainings.arguments("run"));
  CAPTURE(result.err);
  CHECK(result.exit_code == 0);
}

TEST_CASE("fault: a step that is not finite is not applied, is diagnosed, exit code 4", "[train][fault]") {
  const Trainings trainings;
  const auto result =
      run_fovea(trainings.arguments("run", {"--set", "train.schedule.base=1e30", "--set",
                                            "train.schedule.warmup_steps=0", "--set", "train.optimizer.clip_norm=0"}));
  CHECK(result.exit_code == 4);
  CHECK_THAT(result.err, Contains("not finite") && Contains("learning rate") && Contains("images ") &&
                             Contains("P7: classification loss"));
}

TEST_CASE("fault: a disk that is full costs a checkpoint, not the training", "[train][fault]") {
  const Trainings trainings;
  fs::create_directories(trainings.run("run"));
  for (const char* name : {"last", "best"})  // the first try of each meets no space
    fs::create_symlink("/dev/full", trainings.run("run") / (std::string(name) + ".safetensors.partial"));
  const auto result = run_fovea(trainings.arguments("run"));
  CAPTURE(result.out, result.err);
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.err, Contains("last checkpoint of step 4 was not saved") &&
                             Contains("No space left on device: make room on its disk") &&
                             Contains("best checkpoint of step 8 was not saved") && !Contains("step 16"));
  for (const char* name : {"last.safetensors", "best.safetensors"})
    CHECK_NOTHROW(SafetensorsFile(trainings.run("run") / name));
  for (const auto& file : fs::directory_iterator(trainings.run("run"))) CHECK(file.path().extension() != ".partial");
}

TEST_CASE("fault: a training whose output nobody reads any more is saved like one that Ctrl-C stopped",
          "[train][fault]") {
  const Trainings trainings;
  const auto result = run_fovea(trainings.arguments("run"), R"(("$0" "$@"; echo "code $?" >&2) | head -n 1)");
  CAPTURE(result.err);
  CHECK_THAT(result.err, Contains("code 130") && Contains("--resume"));
  CHECK(fs::exists(trainings.run("run") / "last.safetensors"));
}

TEST_CASE("fault: with stdout closed from the start a training writes its files and nothing else into them",
          "[train][fault]") {
  const Trainings trainings;
  const auto result = run_fovea(trainings.arguments("run"), R"(exec "$0" "$@" >&-)");
  CAPTURE(result.err);
  CHECK(result.exit_code == 0);
  std::istringstream log(read_text(trainings.run("run") / "log.jsonl"));
  for (std::string line; std::getline(log, line);) CHECK_THAT(line, Catch::StartsWith("{") && Catch::EndsWith("}"));
}

TEST_CASE("fault: wrong usage ends with code 2 and the nearest right one", "[train][fault]") {
  const Trainings trainings;
  check_fails(2, {}, "--help");
  check_fails(2, {"trian"}, "did you mean 'train'");
  check_fails(2, {"train", "--presett", "demo"}, "did you mean '--preset'?");
  check_fails(2, {"eval", "--wieghts=x"}, "did you mean '--weights'?");
  check_fails(2, {"train", "--data", "x"}, "--out");
  check_fails(2, trainings.arguments("run", {"--set", "train.stepz=3"}), "train.steps");
  check_fails(2, {"train", "--preset", "dmeo", "--data", "x", "--out", "y"}, "'demo'");
  check_fails(2, trainings.arguments("run", {"--resume", "--init-from", "x"}), "use only one of them");
  check_fails(2, trainings.arguments("run", {"--rank-timeout", "0"}), "--rank-timeout: must be above 0");
  CHECK_THAT(run_fovea(trainings.arguments("run"), R"(FOVEA_RANK_TIMEOUT=0 exec "$0" "$@")").err,
             Contains("FOVEA_RANK_TIMEOUT: must be above 0"));
  CHECK(run_fovea({"train", "--help"}, R"(FOVEA_RANK_TIMEOUT=0 exec "$0" "$@")").exit_code == 0);
  check_fails(2, {"detect", ".", "--weights", "y", "--out", "z", "--batch", "0"}, "--batch: must be at least 1");
  if (const GpuStatus gpu = gpu_status(); !gpu.usable())  // 2: this build has no CUDA; 1: the machine has no GPU
    check_fails(static_cast<int>(gpu.kind), trainings.arguments("run", {"--device", "cuda"}), gpu.problem);
  REQUIRE(run_fovea(trainings.arguments("run", {"--set", "train.steps=1"})).exit_code == 0);
  check_fails(2, trainings.arguments("run"), "--resume");
  const fs::path file = trainings.folder.path() / "file";
  write_text(file, "x");
  check_fails(2, {"train", "--preset", "tiny", "--data", trainings.data.string(), "--out", (file / "run").string()},
              "cannot create the folder");
}

TEST_CASE("fault: unusable data and weights end with code 3 and name the file", "[train][fault]") {
  const Trainings trainings;
  check_fails(3,
              {"train", "--preset", "tiny", "--data", (trainings.folder.path() / "none").string(), "--out",
               trainings.run("a").string()},
              "none: does not exist");
  // It left no run behind: the same folder takes the next try.
  REQUIRE(run_fovea(trainings.arguments("a", {"--set", "train.steps=1"})).exit_code == 0);
  check_fails(3, {"eval", "--weights", (trainings.folder.path() / "none").string(), "--data", trainings.data.string()},
              "none");
  const fs::path text = trainings.folder.path() / "text.safetensors";
  write_text(text, "these are no weights at all");
  check_fails(
      3,
      {"detect", (trainings.data / "val").string(), "--weights", text.string(), "--out", trainings.run("b").string()},
      "text.safetensors");
  const std::string json = read_text(trainings.data / "annotations/instances_train.json");
  write_text(trainings.data / "annotations/instances_train.json", json.substr(0, json.size() / 2));
  check_fails(3, trainings.arguments("c"), "instances_train.json");
}

TEST_CASE("fault: an unreadable image is listed and skipped, too many end the run", "[train][fault]") {
  const Trainings trainings(6, 2);
  const Dataset data = load_dataset(trainings.data, "train");
  write_text(trainings.data / "train" / data.samples[0].file_name, "no image");
  const auto result = run_fovea(trainings.arguments("run"));  // one of eight is far more than 1 %
  CHECK(result.exit_code == 3);
  CHECK_THAT(result.err, Contains(data.samples[0].file_name));
}

TEST_CASE("fault: bad images and boxes are errors when asked for", "[train][fault]") {
  const Trainings trainings(6, 2, [](size_t image, const std::string& annotations) -> std::string {
    if (image != 3) return annotations;
    std::string bad = annotations;
    return bad.replace(bad.find("\"bbox\":["), 8, "\"bbox\":[0,0,-1,-1],\"was\":[");
  });
  const auto boxes = run_fovea(trainings.arguments("boxes", {"--bad-boxes", "error"}));
  CHECK(boxes.exit_code == 3);
  CHECK_THAT(boxes.err, Contains("--bad-boxes skip"));
  const Dataset data = load_dataset(trainings.data, "train");
  write_text(trainings.data / "train" / data.samples[0].file_name, "no image");
  const auto images = run_fovea(trainings.arguments("images", {"--bad-images", "error"}));
  CHECK(images.exit_code == 3);
  CHECK_THAT(images.err, Contains(data.samples[0].file_name) && Contains("--bad-images skip"));
  check_fails(2, trainings.arguments("unknown", {"--bad-images", "ignore"}),
              "--bad-images: ignore not in {skip,error,keep}");
}
