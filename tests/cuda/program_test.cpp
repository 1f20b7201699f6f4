// The program on a GPU's queue, by the plans and passes of a GPU: its numbers are the CPU's but for roundings, and the
// same however the work is put to the device.
#include "tests/cuda/program.h"
#include "engine/context.h"
#include "kernels/device/cuda_device.h"
#include "tests/standin/standin.h"
#include "tests/support/catch.h"
#include "tests/support/scoped.h"
#include "tests/support/training_folder.h"
#include "tests/support/training_ranks.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

std::string without_times(std::string log) {
  for (size_t at = log.find(",\"images_per_second\""); at != std::string::npos;
       at = log.find(",\"images_per_second\"", at))
    log.erase(at, log.find('}', at) - at);
  return log;
}

constexpr const char* kNothingHeld[] = {"memory_at_exit", "pinned_memory_at_exit",  "streams_at_exit", "events_at_exit",
                                        "graphs_at_exit", "allocations_in_capture", "waits_in_capture"};

ProcessResult require_run(const Arguments& arguments, const std::string& environment = "") {
  ProcessResult result = run_standin(arguments, environment);
  CAPTURE(result.out, result.err);
  REQUIRE(result.exit_code == 0);
  return result;
}

}  // namespace

TEST_CASE("standin: training by --device cuda follows --device cpu within the bound of their roundings", "[standin]") {
  RankTrainings trainings;
  trainings.precision = GENERATE("fp32", "bf16");
  CAPTURE(trainings.precision);
  const bool fp32 = trainings.precision == "fp32";
  for (const std::string device : {"cpu", "cuda"})
    require_run(trainings.arguments(device, {}, {"--device", device}),
                "FOVEA_STANDIN_REPORT=" + trainings.run(device + ".json").string());
  const auto cpu = curve(trainings.run("cpu")), cuda = curve(trainings.run("cuda"));
  CHECK(cpu.front().loss != cpu.back().loss);
  CHECK(disagreement_of_curves(cpu, cuda, fp32 ? 2 * kForward : kForwardBetweenTargetsBf16,
                               fp32 ? 2 * kBackward : kBackwardBetweenTargetsBf16) == "");
  const std::string used = read_text(trainings.run("cuda.json")), unused = read_text(trainings.run("cpu.json"));
  CHECK(reported(used, "total_launches") > 100);
  CHECK(reported(unused, "total_launches") == 0);
  for (const char* held : kNothingHeld) CHECK(reported(used, held) == 0);
}

// Recorded steps leave behind what the next kind of work takes: a validation, a shape that runs eagerly for the first
// time, one that is recorded. Channels and outputs are such that weights and biases are padded, the stem is trained.
TEST_CASE("standin: recorded and eager trainings on --device cuda have the same bits, validations and detections too",
          "[standin][replay]") {
  using Case = std::tuple<const char*, const char*, const char*, const char*>;
  const auto [precision, order, norm, head_norm] =
      GENERATE(Case{"bf16", "submitted", "frozen_batch", "none"}, Case{"bf16", "adverse", "batch", "group"},
               Case{"bf16", "concurrent", "batch", "none"}, Case{"fp32", "adverse", "frozen_batch", "none"});
  CAPTURE(precision, order, norm, head_norm);
  RankTrainings trainings;
  trainings.precision = precision;
  const Arguments settings{"train.steps=16",
                           "train.batch=2",
                           "train.eval_every=5",
                           "train.checkpoint_every=8",
                           "model.anchors.octaves=1",
                           "model.detect.score_threshold=0.005",
                           fmt::format("model.backbone.norm=\"{}\"", norm),
                           fmt::format("model.head.norm=\"{}\"", head_norm)};
  std::vector<std::string> logs, found;
  std::vector<int64_t> replays;  // of detections in both
  for (const std::string record : {"true", "false"}) {
    const std::string report = trainings.run("report_" + record).string();
    require_run(trainings.arguments(record, joined(settings, {"train.record=" + record}), {"--device", "cuda"}),
                std::string("FOVEA_STANDIN_ORDER=") + order + " FOVEA_STANDIN_REPORT=" + report);
    replays.push_back(reported(read_text(report), "replays"));
    logs.push_back(without_times(read_text(trainings.run(record) / "log.jsonl")));
    const fs::path out = trainings.run("found_" + record);
    require_run({"detect", (trainings.data / "val").string(), "--weights", (trainings.run(record) / kLast).string(),
                 "--out", out.string(), "--device", "cuda", "--precision", trainings.precision});
    found.push_back(read_text(out / "detections.json"));
  }
  CHECK(replays[0] > replays[1]);
  check_same_tensors(trainings.run("true") / kLast, trainings.run("false") / kLast);
  CHECK(logs[0] == logs[1]);
  CHECK(found[0].size() > 100);
  CHECK(found[0] == found[1]);
}

TEST_CASE("standin: resume on --device cuda, where steps are eager at first, ends with the uninterrupted run's bits",
          "[standin][resume]") {
  RankTrainings trainings;
  trainings.precision = GENERATE("fp32", "bf16");
  CAPTURE(trainings.precision);
  const Arguments settings{"train.steps=14", "train.batch=2", "train.checkpoint_every=7", "train.eval_every=3"};
  require_run(trainings.arguments("run", settings, {"--device", "cuda"}));
  fs::copy_file(trainings.run("run") / kLast, trainings.run("whole"));
  fs::rename(trainings.run("run") / "previous.safetensors", trainings.run("run") / kLast);  // of step 7
  const auto resumed = require_run(trainings.arguments("run", settings, {"--device", "cuda", "--resume"}));
  CHECK_THAT(resumed.out, Contains("resuming") && Contains("step 7"));
  check_same_tensors(trainings.run("whole"), trainings.run("run") / kLast);
}

TEST_CASE("standin: bench measures the GPU's recorded work by call and by layer", "[standin]") {
  const ShortRuns runs(1, 1);
  const auto result = run_standin({"bench", "--preset", "tiny", "--size", "64", "--classes", "3", "--device", "cuda",
                                   "--warmup", "1", "--repeats", "1", "--json", runs.path("bench.json")});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  const std::string json = read_text(runs.path("bench.json"));
  CHECK_THAT(json, Contains("\"device\":\"cuda\"") && Contains("\"conv_forward\"") && Contains("\"focal_loss") &&
                       Contains("\"box_loss\"") && Contains("\"layers\":{\"\":{"));
}

TEST_CASE("standin: which machine cannot train on a GPU is said in one line, and auto takes the CPU",
          "[standin][fault]") {
  const ShortRuns runs(2, 1);
  struct Machine {
    const char* environment;
    std::vector<const char*> words;
  };
  const Machine machines[] = {
      {"FOVEA_STANDIN_DRIVER=0", {"no NVIDIA driver"}},
      {"FOVEA_STANDIN_DRIVER=12040", {"supports CUDA 12.4, this build needs CUDA 13.0", "update the driver"}},
      {"FOVEA_STANDIN_DEVICES=0", {"finds no GPU", "container"}},
      {"CUDA_VISIBLE_DEVICES=", {"CUDA_VISIBLE_DEVICES is empty", "unset it"}},
      {"CUDA_VISIBLE_DEVICES=3", {"CUDA_VISIBLE_DEVICES is \"3\", which names no GPU here", "nvidia-smi"}},
      {"FOVEA_STANDIN_CAPABILITY=7.0", {"compute capability 7.0", "7.5 or newer is needed", "--device cpu"}},
      {"FOVEA_STANDIN_CAPABILITY=7.5",
       {"compute capability 7.5", "this build has kernels for sm_", "-DCMAKE_CUDA_ARCHITECTURES=75", "--device cpu"}}};
  for (const auto& [environment, words] : machines) {
    const auto refused = run_standin(runs.train("run", "cuda", 1), environment);
    CAPTURE(environment, refused.err);
    CHECK(refused.exit_code == 1);
    for (const char* word : words) CHECK_THAT(refused.err, Contains(word));
    CHECK(std::count(refused.err.begin(), refused.err.end(), '\n') == 1);
    fs::remove_all(runs.path("auto"));
    const auto on_cpu = run_standin(runs.train("auto", "auto", 1), environment);
    CHECK(on_cpu.exit_code == 0);
    CHECK(on_cpu.err.empty());
  }
}

TEST_CASE("standin: info says which GPU is used, what it can run, and whether it is a slice of one", "[standin]") {
  const std::vector<std::string> info{"info", "--preset", "tiny", "--device", "cpu"};
  const auto whole = run_standin(info);
  CHECK_THAT(whole.out, Contains("GPU 0: stand-in for NVIDIA H200") && Contains("compute capability 9.0\n") &&
                            Contains("driver: CUDA 13.0") && Contains("CUDA kernels: " + compiled_architectures()));
  CHECK_THAT(compiled_architectures(), Contains("sm_90"));
  const auto slice = run_standin(info,
                                 "FOVEA_STANDIN_NAME='NVIDIA H200 MIG 1g.18gb' FOVEA_STANDIN_MULTIPROCESSORS=16 "
                                 "FOVEA_STANDIN_MEMORY=17179869184");
  CHECK_THAT(slice.out, Contains("GPU 0: NVIDIA H200 MIG 1g.18gb, 16384 MiB, 16 multiprocessors") &&
                            Contains("a slice of a GPU (MIG)"));
  CHECK_THAT(slice.out, !Contains("no GPU is used"));
  const auto newer = run_standin(info, "FOVEA_STANDIN_CAPABILITY=12.0");
  const bool has_ptx = compiled_architectures().find("and newer") != std::string::npos;
  CHECK((newer.out.find("no GPU is used") == std::string::npos) == has_ptx);
}

TEST_CASE("standin: doctor names the GPU, and calls it broken without cuDNN", "[standin]") {
  const auto found = run_standin({"doctor"}, "FOVEA_CUDNN=/nowhere");
  CAPTURE(found.out);
  CHECK(found.exit_code == 1);
  CHECK_THAT(found.err, Contains("fovea: broken here: GPU"));
  CHECK_THAT(found.out, Contains("\nbroken      GPU: stand-in for NVIDIA H200") && Contains("\nok          driver: ") &&
                            Contains(", for CUDA 13.0\n") &&
                            Contains("\nmissing     cuDNN: cuDNN 9 (libcudnn.so.9) was not found: FOVEA_CUDNN names") &&
                            Contains("-> unset FOVEA_CUDNN\n"));
}

TEST_CASE("standin: a slice of a GPU trains, with the numbers of a whole one", "[standin]") {
  const ShortRuns runs(2, 1);
  REQUIRE(run_standin(runs.train("whole", "cuda", 2)).exit_code == 0);
  const auto slice = run_standin(runs.train("slice", "cuda", 2),
                                 "FOVEA_STANDIN_NAME='NVIDIA H200 MIG 1g.18gb' FOVEA_STANDIN_MULTIPROCESSORS=16");
  CAPTURE(slice.err);
  REQUIRE(slice.exit_code == 0);
  CHECK((read_text(runs.path("slice") + "/last.safetensors") == read_text(runs.path("whole") + "/last.safetensors")));
}

TEST_CASE("standin: precision auto is bf16 from compute capability 8.0 on, fp32 below, where bf16 is refused",
          "[standin]") {
  for (const auto& [major, minor, expected] :
       {std::tuple{7, 5, DType::F32}, {8, 0, DType::BF16}, {8, 9, DType::BF16}, {12, 0, DType::BF16}}) {
    CAPTURE(major, minor);
    const Scoped capability(standin::set_capability, {major, minor});
    CHECK(Context(DeviceKind::Cuda, Precision::Auto).activation_dtype == expected);
    CHECK(Context(DeviceKind::Cuda, Precision::F32).activation_dtype == DType::F32);
    const Context tf32(DeviceKind::Cuda, Precision::TF32);
    CHECK(tf32.activation_dtype == DType::F32);
    CHECK(tf32.tf32 == (major >= 8));
  }
  const Scoped capability(standin::set_capability, {7, 5});
  CHECK_THROWS_WITH(Context(DeviceKind::Cuda, Precision::BF16),
                    Contains("bf16 needs a GPU of compute capability 8.0") && Contains("use fp32"));
}

TEST_CASE("standin: TF32 is used where it is asked for, and the first line says so", "[standin]") {
  const ShortRuns runs(2, 1);
  const auto line = [&](const std::string& device, const std::string& precision) {
    fs::remove_all(runs.path("run"));
    const auto result = run_standin(runs.train("run", device, 1, precision));
    CAPTURE(result.err);
    REQUIRE(result.exit_code == 0);
    return result.out;
  };
  CHECK_THAT(line("cuda", "tf32"), Contains("trained; fp32 by TF32;"));
  CHECK_THAT(line("cuda", "fp32"), Contains("trained; fp32;"));
  CHECK_THAT(line("cpu", "tf32"), Contains("trained; fp32;"));
}

TEST_CASE("standin: this build without the stand-in runs on a machine without a driver", "[standin][fault]") {
  const ShortRuns runs(2, 1);
  const auto result = run_fovea(runs.train("run", "auto", 1));
  CAPTURE(result.err);
  CHECK(result.exit_code == 0);
}
