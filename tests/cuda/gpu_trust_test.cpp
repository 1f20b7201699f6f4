// --device auto on the stand-in: a GPU gets work once it has passed its check, and no fault of it is one of the run's.
#include "tools/device/gpu_trust.h"

#include <sys/wait.h>

#include "tests/cuda/program.h"
#include "tests/standin/standin.h"
#include "tests/support/catch.h"
#include "tools/device/smoke.h"
#include "tools/text/file.h"
#if defined(FOVEA_STANDIN_NCCL)
#include "tests/support/scoped.h"
#include "tests/support/training_ranks.h"
#endif

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

const std::string kChecking = "fovea: checking the GPU once: stand-in for NVIDIA H200 ";

int64_t lines_in(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

// A user with a cache of their own, who runs `fovea info`: it makes a network in the memory of the device.
struct User {
  TemporaryFolder folder;
  fs::path cache = folder.path() / "cache";

  struct Run {
    ProcessResult result;
    bool on_gpu;
  };
  Run run(const std::string& environment = "", const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments{"info", "--preset", "tiny"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const std::string report = (folder.path() / "report.json").string();
    const auto result = run_standin(arguments, "XDG_CACHE_HOME=" + cache.string() + " FOVEA_STANDIN_REPORT=" + report +
                                                   (environment.empty() ? "" : " " + environment));
    return {result, reported(read_text(report), "cudaMalloc") > 0};
  }
  std::vector<fs::path> records() const {
    std::vector<fs::path> files;
    if (fs::exists(cache / "fovea"))
      for (const auto& entry : fs::directory_iterator(cache / "fovea"))
        if (entry.path().filename().string().starts_with("gpu_check-")) files.push_back(entry.path());
    return files;
  }
};

void check_passes_and_uses_gpu(const User::Run& run) {
  CAPTURE(run.result.out, run.result.err);
  CHECK(run.result.exit_code == 0);
  CHECK(run.on_gpu);
  CHECK_THAT(run.result.err, Contains("checking the GPU once: ") && Contains(" passed in "));
  CHECK(lines_in(run.result.err) == 1);
}

void check_trusts(const User::Run& run) {
  CAPTURE(run.result.err);
  CHECK(run.result.exit_code == 0);
  CHECK(run.on_gpu);
  CHECK(run.result.err.empty());
}

}  // namespace

TEST_CASE("standin: auto checks a GPU once, says so in a line, and uses it from then on", "[standin][check]") {
  const User user;
  check_passes_and_uses_gpu(user.run());
  const auto second = user.run();
  check_trusts(second);
  CHECK_THAT(second.result.out, Contains("GPU check: passed (20"));
  REQUIRE(user.records().size() == 1);
  const std::string record = read_text(user.records()[0]);
  CHECK_THAT(record, Contains("compute capability 9.0") && Contains("driver: CUDA 13000") && Contains("cuDNN 9."));
  CHECK_THAT(record, Contains("passed: convolution, bf16") && Contains("passed: recorded training steps"));
}

TEST_CASE("standin: what was checked on another GPU, driver or library is checked again", "[standin][check]") {
  const User user;
  const auto first = user.run();
  check_passes_and_uses_gpu(first);
  const std::string nvrtc = first.result.out.substr(first.result.out.find("\nNVRTC: "));
  const size_t path = nvrtc.find('/');
  const fs::path link = user.folder.path() / "libnvrtc.so";
  fs::create_symlink(nvrtc.substr(path, nvrtc.find('\n', path) - path), link);
  for (const std::string& other : {std::string("FOVEA_STANDIN_DRIVER=13010"), std::string("FOVEA_STANDIN_NAME=another"),
                                   "FOVEA_NVRTC=" + link.string()}) {
    CAPTURE(other);
    check_passes_and_uses_gpu(user.run(other));
    check_trusts(user.run(other));
  }
  check_trusts(user.run());
}

TEST_CASE("standin: a GPU that computes or replays wrongly, fails or crashes is left to itself, and the CPU is used",
          "[standin][check][fault]") {
  struct Fault {
    const char* environment;
    const char* words;
  };
  const auto [environment, words] = GENERATE(
      Fault{"FOVEA_STANDIN_SKIP=conv_forward", "convolution: a value differs at element"},
      Fault{"FOVEA_STANDIN_SKIP=conv_backward_data", "convolution, gradient of the data: a value"},
      Fault{"FOVEA_STANDIN_SKIP=conv_backward_weight", "convolution, gradient of the weights: a value"},
      Fault{"FOVEA_STANDIN_SKIP=FocalLoss", "focal loss and its gradient: "},
      Fault{"FOVEA_STANDIN_SKIP=IndicesOfKept", "suppression: "},
      Fault{"FOVEA_STANDIN_SKIP=Sgd", "a training step: backbone."},
      Fault{"FOVEA_STANDIN_SKIP=ReluBackward", "a training step in fp32: "},
      Fault{"FOVEA_STANDIN_SKIP=ReluBackwardInto", "a training step in fp32: "},
      Fault{"FOVEA_STANDIN_SKIP='SumChunk<Square>'", "a training step"},
      Fault{"FOVEA_STANDIN_FAIL=cudaGraphLaunch:1:nothing", "recorded training steps: step 2 differs when recorded"},
      Fault{"FOVEA_STANDIN_FAIL=cudaLaunchKernel:3:700", "cudaErrorIllegalAddress"},
      Fault{"FOVEA_STANDIN_FAIL=enqueue:1:crash", "it crashed in \"convolution\": signal 11"},
      Fault{"FOVEA_STANDIN_FAIL=cudaStreamCreateWithFlags:1:999", "cudaStreamCreateWithFlags"});
  CAPTURE(environment);
  const User user;
  const auto first = user.run(environment);
  CAPTURE(first.result.err);
  CHECK(first.result.exit_code == 0);
  CHECK_FALSE(first.on_gpu);
  CHECK(lines_in(first.result.err) == 1);
  CHECK_THAT(first.result.err, Contains(kChecking + "failed: ") && Contains(words) && Contains("using the CPU"));
  REQUIRE(user.records().size() == 1);
  const std::string file = user.records()[0].string(), report = read_text(file);
  CHECK_THAT(first.result.err, Contains("report: " + file));
  CHECK_THAT(report, Contains(words) && Contains("GPU 0: stand-in for NVIDIA H200"));
  // And so it stays, with nothing run again, until the user asks for it.
  const auto second = user.run();
  CAPTURE(second.result.err);
  CHECK(second.result.exit_code == 0);
  CHECK_FALSE(second.on_gpu);
  CHECK(lines_in(second.result.err) == 1);
  CHECK_THAT(second.result.err, Contains("using the CPU") && Contains(words) && Contains("report: " + file) &&
                                    Contains("fovea info --check-gpu"));
  CHECK_THAT(second.result.out, Contains("GPU check: failed: ") && Contains(file));
  CHECK(read_text(file) == report);
}

TEST_CASE("standin: info --check-gpu checks again, says each check, and decides what auto does", "[standin][check]") {
  const User user;
  const auto failed = user.run("FOVEA_STANDIN_SKIP=FocalLoss", {"--check-gpu"});
  CAPTURE(failed.result.out, failed.result.err);
  CHECK(failed.result.exit_code == 1);
  CHECK(lines_in(failed.result.err) == 1);
  CHECK_THAT(failed.result.err, Contains("the GPU failed: focal loss") && Contains("report: "));
  CHECK_THAT(failed.result.out, Contains("\nfailed: focal loss") && Contains("\npassed: suppression"));
  CHECK_FALSE(user.run().on_gpu);
  const auto passed = user.run("", {"--check-gpu"});
  CHECK(passed.result.exit_code == 0);
  CHECK_THAT(passed.result.out, Contains("\npassed: focal loss") && Contains("the GPU passed"));
  check_trusts(user.run());
  const auto without = user.run("FOVEA_STANDIN_DEVICES=0", {"--check-gpu"});
  CHECK(without.result.exit_code == 1);
  CHECK_THAT(without.result.err, Contains("--check-gpu: the NVIDIA driver finds no GPU"));
}

TEST_CASE("standin: the checks pass in fp32 and bf16, in whatever order the device works", "[standin][check]") {
  const auto [major, minor, dtype] = GENERATE(std::tuple{7, 5, "fp32"}, std::tuple{8, 0, "bf16"});
  const Scoped capability(standin::set_capability, {major, minor});
  const Scoped order(standin::set_adverse_order, true);
  for (const SmokeCheck& check : smoke_checks()) {
    CAPTURE(check.name);
    std::string figures;
    CHECK_NOTHROW(figures = check.run());
    if (check.name.find("suppression") == std::string::npos)
      CHECK_THAT(figures, Contains(check.name.ends_with("fp32") ? "fp32" : dtype));
  }
}

TEST_CASE("standin: --device cuda goes without a check, whatever one has said", "[standin][check]") {
  const User user;
  const std::vector<std::string> cuda{"--device", "cuda"};
  check_trusts(user.run("", cuda));
  CHECK(user.records().empty());
  CHECK_FALSE(user.run("FOVEA_STANDIN_SKIP=FocalLoss").on_gpu);
  check_trusts(user.run("", cuda));
}

TEST_CASE("standin: a check whose verdict cannot be kept says so, and is done again", "[standin][check]") {
  const User user;
  for (const std::string nowhere :
       {"XDG_CACHE_HOME=/proc/nowhere", "XDG_CACHE_HOME=/proc/nowhere", "XDG_CACHE_HOME= HOME="}) {
    const auto run = user.run(nowhere);
    CAPTURE(nowhere, run.result.err);
    CHECK(run.result.exit_code == 0);
    CHECK(run.on_gpu);
    CHECK_THAT(run.result.err, Contains(kChecking + "passed in ") && Contains("result not saved: "));
  }
  CHECK(user.records().empty());
}

TEST_CASE("standin: a record that is damaged or of something else is none", "[standin][check]") {
  const TemporaryFolder folder;
  const GpuCheckOptions options{.name = "a GPU",
                                .key = "a key",
                                .folder = folder.path().string(),
                                .command = {"/bin/sh", "-c", "echo 'passed: a check'"},
                                .limit = std::chrono::minutes(1)};
  const GpuVerdict verdict = check_gpu(options);
  REQUIRE(verdict.passed);
  REQUIRE(remembered_verdict(options));
  const std::string record = read_text(verdict.file);
  const size_t second = record.find('\n') + 1;
  for (const std::string& damaged :
       {record.substr(0, second + 9), record.substr(0, second) + "x" + record.substr(second), "x" + record,
        record.substr(0, record.find("\npassed\n")) + "\npass\n", std::string()}) {
    write_file(verdict.file, damaged);
    CHECK_FALSE(remembered_verdict(options));
  }
  CHECK(trusted_verdict(options).passed);
  CHECK(remembered_verdict(options));
}

TEST_CASE("standin: a check for which no memory was left decides nothing", "[standin][check][fault]") {
  const User user;
  const auto run = user.run("FOVEA_STANDIN_MEMORY=1000000");
  CAPTURE(run.result.err);
  CHECK(run.result.exit_code == 0);
  CHECK_FALSE(run.on_gpu);
  CHECK_THAT(run.result.err, Contains("out of memory") && Contains("report: "));
  check_passes_and_uses_gpu(user.run());
  user.run("FOVEA_STANDIN_MEMORY=1000000", {"--check-gpu"});  // nor does it take back what was found
  check_trusts(user.run());
}

TEST_CASE("standin: a GPU that takes one process at a time is checked before it is used", "[standin][check]") {
  const User user;
  const std::string exclusive = "FOVEA_STANDIN_EXCLUSIVE=" + (user.folder.path() / "lock").string();
  check_passes_and_uses_gpu(user.run(exclusive));
  check_trusts(user.run(exclusive));
}

TEST_CASE("standin: a check that hangs is ended at its limit, and has failed", "[standin][check][fault]") {
  const TemporaryFolder folder;
  const GpuCheckOptions options{.name = "a GPU",
                                .key = "a key",
                                .folder = folder.path().string(),
                                .command = {"/usr/bin/env", "FOVEA_STANDIN_FAIL=cudaLaunchKernel:3:hang",
                                            FOVEA_STANDIN_BINARY, "info", "--smoke"},
                                .limit = std::chrono::seconds(1)};
  const GpuVerdict verdict = trusted_verdict(options);
  CHECK_FALSE(verdict.passed);
  CHECK_THAT(verdict.what, Contains("it hangs"));
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);  // no process is left
  const auto remembered = remembered_verdict(options);
  REQUIRE(remembered);
  CHECK(remembered->what == verdict.what);
}

#if defined(FOVEA_STANDIN_NCCL)
namespace {

// Two ranks by --device auto, each with words for its environment.
std::vector<ProcessResult> two_ranks(const RankTrainings& trainings, const std::vector<std::string>& environments) {
  const auto arguments = trainings.arguments("run", {"train.steps=1"});
  return TcpRanks(2, {[&](int) { return arguments; },
                      [&](int rank) {
                        return fmt::format("exec env FOVEA_NCCL={} FOVEA_STANDIN_DEVICES=2 {} {} \"$@\"",
                                           FOVEA_STANDIN_NCCL, environments.at(static_cast<size_t>(rank)),
                                           FOVEA_STANDIN_BINARY);
                      }})
      .wait();
}

}  // namespace

TEST_CASE("standin: of ranks that start together on an unchecked GPU one checks it, and all use it",
          "[standin][check][rank]") {
  const RankTrainings trainings;
  const std::string cache = "XDG_CACHE_HOME=" + trainings.run("cache").string();
  const auto results = two_ranks(trainings, {cache, cache});
  std::string said;
  for (const ProcessResult& result : results) {
    CAPTURE(result.err);
    CHECK(result.exit_code == 0);
    said += result.err;
  }
  CHECK_THAT(said, Contains(kChecking + "passed"));
  CHECK(lines_in(said) == 1);
}

TEST_CASE("standin: ranks of which one has failed its check end with one line of what differs",
          "[standin][check][rank][fault]") {
  const RankTrainings trainings;
  const auto results =
      two_ranks(trainings, {"XDG_CACHE_HOME=" + trainings.run("cache_0").string(),
                            "FOVEA_STANDIN_SKIP=FocalLoss XDG_CACHE_HOME=" + trainings.run("cache_1").string()});
  CAPTURE(results[0].err, results[1].err);
  CHECK(results[0].exit_code == 2);
  CHECK(results[1].exit_code == 2);
  CHECK_THAT(results[0].err, Contains("rank 1 would run") && Contains("on the CPU") && Contains("on a GPU"));
  CHECK_THAT(results[1].err, Contains("failed: focal loss"));
}
#endif
