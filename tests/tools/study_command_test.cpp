// `fovea study` as users call it: trainings that are run, interrupted, resumed, refused, and that fail.
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>

#include "engine/files.h"
#include "tests/support/checked_run.h"
#include "tests/support/training_folder.h"
#include "tools/device/child_process.h"
#include "tools/text/file_lock.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

struct Studies : TrainingFolder {
  Studies() { make_data(data, 4, 2); }
  fs::path out = folder.path() / "study";

  Arguments study(const std::string& name, const Arguments& more = {}) const {
    return joined({"study", name, "--preset", "tiny", "--data", data.string(), "--out", out.string(), "--device", "cpu",
                   "--set", "train.steps=3", "--set", "train.log_every=1"},
                  more);
  }
  Arguments gammas(const Arguments& more = {}) const {
    return study("custom", joined({"--vary", "model.loss.gamma=0.0,2.0"}, more));
  }
  std::string csv() const { return read_text(out / "results.csv"); }
  std::string page() const { return read_text(out / "index.html"); }
};

size_t lines_in(const std::string& text) { return static_cast<size_t>(std::count(text.begin(), text.end(), '\n')); }

std::optional<ChildEnd> end_of(ChildProcess& process) {
  for (int i = 0; i < 3000 && !process.ended(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return process.ended();
}

}  // namespace

TEST_CASE("child process: what it prints is appended to a file, and its environment is changed", "[study]") {
  const TemporaryFolder folder;
  const fs::path file = folder.path() / "out.txt";
  write_text(file, "before\n");
  setenv("FOVEA_STUDY_TEST", "given", 1);
  const auto shell = [&](const std::string& script) {
    return ChildStart{{"/bin/sh", "-c", script}, file, {{"FOVEA_STUDY_TEST", ""}, {"ANOTHER", "a b"}}};
  };
  ChildProcess process(shell("echo \"${FOVEA_STUDY_TEST:-none} $ANOTHER\"; echo err >&2; exit 5"));
  const auto end = end_of(process);
  unsetenv("FOVEA_STUDY_TEST");
  REQUIRE(end);
  CHECK((end->exit_code == 5 && end->signal == 0));
  CHECK(read_text(file) == "before\nnone a b\nerr\n");
  ChildProcess hanging(shell("exec sleep 1000"));
  CHECK_FALSE(hanging.ended());
  hanging.signal(SIGTERM);
  REQUIRE(end_of(hanging));
  CHECK(hanging.ended()->signal == SIGTERM);
  {
    const ChildProcess killed(shell("exec sleep 1000"));
  }
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);  // nothing is left to wait for
  ChildProcess none({{"/nowhere"}, file, {}});
  REQUIRE(end_of(none));
  CHECK(none.ended()->exit_code == 127);
}

TEST_CASE("study: every variant and seed is trained as `fovea train` would, and more seeds add only their own",
          "[study][resume]") {
  const Studies studies;
  const auto with_threads = [](const char* count) {  // rounding depends on their number
    return fmt::format("exec env OMP_NUM_THREADS={} \"$0\" \"$@\"", count);
  };
  const auto first = run(studies.gammas({"--jobs", "2"}), with_threads("2"));
  REQUIRE(first.exit_code == 0);
  CHECK_THAT(first.out, Contains("2 variants × 1 seed = 2 trainings of 3 steps, 2 at a time") &&
                            Contains("timing the first steps of a training …\ncost: 2 trainings of about ") &&
                            Contains(", 2 at a time: about ") && Contains(" (by 3 steps of the first one)\n"));
  CHECK_FALSE(is_there(studies.out / "runs/.rehearsal.toml"));
  CHECK_THAT(first.out, Contains("All have the same AP, 0.0: there is nothing to compare."));
  CHECK(lines_in(studies.csv()) == 3);
  CHECK_THAT(studies.page(), Contains("--vary") && Contains(fs::canonical(studies.data).string()));

  const Arguments alone = studies.arguments("alone", {"--device", "cpu", "--set", "train.steps=3", "--set",
                                                      "train.log_every=1", "--set", "model.loss.gamma=0.0"});
  REQUIRE(run(alone, with_threads("1")).exit_code == 0);
  const fs::path runs = studies.out / "runs";
  check_same_tensors(runs / "gamma-0.0-seed0/last.safetensors", studies.run("alone") / "last.safetensors");

  const auto before = contents(runs);
  const auto more = run(studies.gammas({"--seeds", "2"}));
  REQUIRE(more.exit_code == 0);
  CHECK_THAT(more.out,
             Contains("4 trainings of 3 steps, 1 at a time; 2 are done") && Contains("by the 2 that are done"));
  CHECK(lines_in(studies.csv()) == 5);
  auto after = contents(runs);
  CHECK(after.size() > before.size());
  for (const auto& [name, bytes] : before) CHECK((after[name] == bytes));
  const auto again = run(studies.gammas({"--seeds", "2"}));
  CHECK(again.exit_code == 0);
  CHECK(contents(runs) == after);

  // Fewer seeds and more values take nothing away.
  const auto three = run(studies.study("custom", {"--vary", "model.loss.gamma=0.0,2.0,5.0"}));
  CHECK(three.exit_code == 0);
  CHECK_THAT(three.out, Contains("3 variants × 2 seeds = 6 trainings"));
  CHECK(lines_in(studies.csv()) == 7);
  after = contents(runs);
  for (const auto& [name, bytes] : before) CHECK((after[name] == bytes));
  write_text(studies.out / "index.html", "my own notes\n");
  check_fails(2, studies.study("custom", {"--vary", "model.loss.gamma=0.0,2.0,5.0"}), "index.html");
  CHECK(read_text(studies.out / "index.html") == "my own notes\n");
}

TEST_CASE("study: another definition, a run's folder and a second study in it are refused in a line", "[study]") {
  const Studies studies;
  REQUIRE(run(studies.gammas()).exit_code == 0);
  const auto before = contents(studies.out);
  const auto refused = [&](const Arguments& arguments, const std::string& words) {
    const auto result = run(arguments);
    CHECK(result.exit_code == 2);
    CHECK_THAT(result.err, Contains(words));
    CHECK(lines_in(result.err) == 1);
    CHECK(contents(studies.out) == before);
  };
  refused(studies.gammas({"--set", "train.batch=1"}), "holds another study (train.batch: 2 -> 1)");
  refused(studies.study("alpha"), "holds another study (study: custom -> alpha; ");
  refused(studies.study("custom", {"--vary", "model.loss.gamma=0.0,5.0"}),
          "variant gamma-2.0: model.loss.gamma=2.0 -> none");
  refused(studies.gammas({"--set", "train.steps=0"}), "train.steps must be at least 1");
  Arguments other = studies.gammas();
  const fs::path less = studies.folder.path() / "less";
  make_data(less, 3, 2);
  *(std::find(other.begin(), other.end(), "--data") + 1) = less.string();
  refused(other, "holds another study (");

  Arguments into_run = studies.gammas();
  *(std::find(into_run.begin(), into_run.end(), "--out") + 1) = (studies.out / "runs/gamma-0.0-seed0").string();
  refused(into_run, "and no study: choose another folder");
  Arguments into_data = studies.gammas();
  *(std::find(into_data.begin(), into_data.end(), "--out") + 1) = (studies.data / "study").string();
  refused(into_data, "lies inside the dataset");
  refused(studies.study("custom", {"--vary", "model.loss.gama=1.0,2.0"}), "did you mean 'model.loss.gamma'");
  {
    const FileLock held(studies.out / ".lock", "study");
    check_fails(2, studies.gammas(), "another study (process ");
  }
  refused({"study", "--vary", "a=1,2"}, "--vary goes behind a command (commands: custom)");
  refused({"study", "gama"}, "did you mean 'gamma'");
}

TEST_CASE("study: Ctrl-C ends the trainings and the study, and the same command goes on to the same bits",
          "[study][resume]") {
  const Studies studies;
  const Arguments longer{"--set", "train.steps=60", "--set", "train.checkpoint_every=1000"};
  const Arguments arguments = studies.gammas(longer);
  Process process(arguments);
  const fs::path first = studies.out / "runs/gamma-0.0-seed0";
  REQUIRE(wait_for(first / "log.jsonl"));
  process.signal(SIGINT);
  const auto stopped = process.wait();
  CAPTURE(stopped.out, stopped.err);
  CHECK(stopped.exit_code == 130);
  CHECK_THAT(stopped.err,
             Contains("stopping: each training saves itself first") && Contains("the same command goes on"));
  CHECK_FALSE(fs::exists(first / ".lock"));
  CHECK_THAT(studies.csv(), Contains("gamma-2.0,0,open"));

  const auto resumed = run(arguments);
  REQUIRE(resumed.exit_code == 0);
  CHECK_THAT(studies.csv(), Contains("gamma-0.0,0,done") && Contains("gamma-2.0,0,done"));
  REQUIRE(run(studies.arguments("alone", joined(longer, {"--device", "cpu", "--set", "train.log_every=1", "--set",
                                                         "model.loss.gamma=0.0"})))
              .exit_code == 0);
  check_same_tensors(first / "last.safetensors", studies.run("alone") / "last.safetensors");
}

TEST_CASE("study: a training that fails or diverges is told, and the others go on", "[study][fault]") {
  const Studies studies;
  const Arguments arguments =
      studies.study("custom", {"--vary", "train.schedule.base=0.002,1e30", "--set", "train.optimizer.clip_norm=0.0"});
  const auto diverged = run(arguments);
  CHECK(diverged.exit_code == 4);
  CHECK_THAT(diverged.err, Contains("1 of 2 trainings diverged, 0 failed; the first: base-1e30-seed0: step "));
  CHECK_THAT(studies.csv(), Contains("base-0.002,0,done") && Contains("base-1e30,0,diverged"));
  CHECK_THAT(studies.page(), Contains("diverged: step "));
  const auto before = contents(studies.out / "runs");
  CHECK(run(arguments).exit_code == 4);  // it would diverge again: it is not trained again
  CHECK(contents(studies.out / "runs") == before);

  write_text(studies.out / "runs/base-0.002-seed1", "a file in the place of the run's folder");
  const auto failed = run(joined(arguments, {"--seeds", "2"}));
  CHECK(failed.exit_code == 1);
  CHECK_THAT(studies.csv(), Contains("base-0.002,1,failed") && Contains("base-1e30,1,diverged"));
  CHECK_THAT(studies.page(), Contains("failed: "));
}

TEST_CASE("study: scale times the detection of what it has trained", "[study]") {
  const Studies studies;
  const auto result = run(studies.study("scale", {"--set", "train.steps=1"}));
  REQUIRE(result.exit_code == 0);
  CHECK_THAT(result.out, Contains("ms an image") && Contains("timing detection"));
  CHECK_THAT(studies.page(), Contains("milliseconds an image"));
  CHECK(lines_in(studies.csv()) == 11);
  CHECK(studies.csv().find(",,,model") == std::string::npos);
  const auto before = read_text(studies.out / "results.csv");
  REQUIRE(run(studies.study("scale", {"--set", "train.steps=1"})).exit_code == 0);
  CHECK(studies.csv() == before);
}
