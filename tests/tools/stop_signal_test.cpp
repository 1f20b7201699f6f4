// Ctrl-C and SIGTERM in each phase of a training. A library that is loaded before all others (tests/signaller)
// sends the program the signal when it opens a certain file for the n-th time: no test waits or guesses when.
#include <signal.h>

#include <sstream>

#include "tests/support/catch.h"
#include "tests/support/training_folder.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

constexpr int kTrainImages = 6, kValImages = 2;
constexpr const char* kLast = "last.safetensors";

struct Trainings : TrainingFolder {
  Trainings() { make_data(data, kTrainImages, kValImages); }
  Arguments arguments(const std::string& name, const Arguments& more = {}) const {
    return TrainingFolder::arguments(
        name, joined({"--set", "train.steps=8", "--set", "train.checkpoint_every=4", "--set", "train.eval_every=8",
                      "--set", "train.log_every=1", "--set", "input.cache_mb=0", "--set", "input.workers=1", "--set",
                      "input.prefetch=2"},
                     more));
  }
};

// The script of a process that gets `signal` when it opens a file whose path holds `part`, for the `count`-th time.
std::string signalled(const std::string& part, int count, int signal, int times = 1) {
  return fmt::format(
      "SIGNAL_PATH='{}' SIGNAL_COUNT={} SIGNAL_NUMBER={} SIGNAL_TIMES={} LD_PRELOAD='{}' exec \"$0\" \"$@\"", part,
      count, signal, times, FOVEA_SIGNALLER);
}

size_t lines_with(const std::string& text, const std::string& words) {
  size_t count = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) count += line.find(words) != std::string::npos ? 1 : 0;
  return count;
}

struct Phase {
  const char* name;
  const char* path;  // opened in it
  int count;
  enum class Leaves : uint8_t { Nothing, Checkpoint } leaves;
};

// Each image is opened twice when the dataset is read; then by a decoding thread, while the step before its own runs
// (input.prefetch).
constexpr int kLookedAt = 2 * kTrainImages;
constexpr Phase kPhases[] = {
    {"start", "instances_train.json", 1, Phase::Leaves::Nothing},
    {"start, second split", "instances_val.json", 1, Phase::Leaves::Nothing},
    {"looking at the images", "/data/train/", 1, Phase::Leaves::Nothing},
    {"loading the first batch", "/data/train/", kLookedAt + 1, Phase::Leaves::Nothing},
    {"a step", "/data/train/", kLookedAt + 12, Phase::Leaves::Checkpoint},
    {"saving", "last.safetensors.partial", 1, Phase::Leaves::Checkpoint},
    {"saving again", "last.safetensors.partial", 2, Phase::Leaves::Checkpoint},
    {"the last step", "/data/train/", kLookedAt + 16, Phase::Leaves::Checkpoint},
    {"validation", "/data/val/", 2 * kValImages + 1, Phase::Leaves::Checkpoint},
    {"saving the best", "best.safetensors.partial", 1, Phase::Leaves::Checkpoint},
};

}  // namespace

TEST_CASE("stop: SIGINT and SIGTERM in each phase are answered at once, save the run, and end with code 130",
          "[stop][resume]") {
  const Trainings trainings;
  REQUIRE(run_fovea(trainings.arguments("whole")).exit_code == 0);
  for (const Phase& phase : kPhases) {
    for (const int signal : {SIGINT, SIGTERM}) {
      CAPTURE(phase.name, signal);
      const fs::path run = trainings.run("stopped");
      // Twice at once, as launchers and terminals do: that counts as one.
      const auto stopped = run_fovea(trainings.arguments("stopped"), signalled(phase.path, phase.count, signal, 2));
      CAPTURE(stopped.out, stopped.err);
      CHECK(stopped.exit_code == 130);
      CHECK(lines_with(stopped.err, "fovea: stopping: ") == 1);
      CHECK(lines_with(stopped.err, "fovea: stopped ") == 1);
      const bool saved = phase.leaves == Phase::Leaves::Checkpoint;
      CHECK(fs::exists(run) == saved);
      CHECK_THAT(stopped.err, Contains(saved ? "saved the run; resume it (--resume)" : "nothing was saved"));
      const auto again = run_fovea(trainings.arguments("stopped", saved ? Arguments{"--resume"} : Arguments{}));
      CAPTURE(again.err);
      REQUIRE(again.exit_code == 0);
      check_same_tensors(trainings.run("whole") / kLast, run / kLast);
      CHECK_FALSE(fs::exists(run / ".lock"));
      fs::remove_all(run);
    }
  }
}

TEST_CASE("stop: a terminal that is closed saves the run, and under nohup it goes on", "[stop]") {
  const Trainings trainings;
  const std::string in_a_step = signalled("/data/train/", kLookedAt + 12, SIGHUP);
  const auto stopped = run_fovea(trainings.arguments("stopped"), in_a_step);
  CAPTURE(stopped.err);
  CHECK(stopped.exit_code == 130);
  CHECK_THAT(stopped.err, Contains("saved the run; resume it (--resume)"));
  const auto whole = run_fovea(trainings.arguments("whole"), "trap '' HUP; " + in_a_step);
  CAPTURE(whole.err);
  CHECK(whole.exit_code == 0);
}

TEST_CASE("stop: a norm's statistics are those after the last whole step", "[stop][resume]") {
  const Trainings trainings;
  const Arguments norm{"--set", "model.backbone.norm=\"batch\"", "--set", "model.backbone.frozen_stages=0"};
  REQUIRE(run_fovea(trainings.arguments("whole", norm)).exit_code == 0);
  const auto stopped =
      run_fovea(trainings.arguments("stopped", norm), signalled("/data/train/", kLookedAt + 12, SIGINT));
  CAPTURE(stopped.err);
  REQUIRE(stopped.exit_code == 130);
  REQUIRE(run_fovea(trainings.arguments("stopped", joined(norm, {"--resume"}))).exit_code == 0);
  check_same_tensors(trainings.run("whole") / kLast, trainings.run("stopped") / kLast);
}
