// The program on a GPU's queue: what it computes there is what it computes on the CPU, bit for bit, for its kernels are
// the same functors and the stand-in runs them as the CPU does.
#include "tests/cuda/program.h"
#include "tests/support/catch.h"

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

}  // namespace

TEST_CASE("standin: training, evaluation and detection by --device cuda give the numbers of --device cpu bit for bit",
          "[standin]") {
  const ShortRuns runs;
  const std::string precision = GENERATE("fp32", "bf16");
  CAPTURE(precision);
  for (const std::string device : {"cpu", "cuda"}) {
    const std::string report = "FOVEA_STANDIN_ORDER=adverse FOVEA_STANDIN_REPORT=" + runs.path(device + ".json");
    const auto trained = run_standin(runs.train(device, device, 3, precision), report);
    CAPTURE(device, trained.err);
    REQUIRE(trained.exit_code == 0);
    const std::string weights = runs.path(device) + "/last.safetensors";
    const auto evaluated = run_standin({"eval", "--weights", weights, "--data", runs.data.string(), "--device", device,
                                        "--precision", precision, "--json", runs.path(device + "_metrics.json")});
    CAPTURE(evaluated.err);
    REQUIRE(evaluated.exit_code == 0);
    const auto detected = run_standin({"detect", (runs.data / "val").string(), "--weights", weights, "--out",
                                       runs.path(device + "_found"), "--device", device, "--precision", precision});
    CAPTURE(detected.err);
    REQUIRE(detected.exit_code == 0);
  }
  const auto same = [&](const std::string& file) {
    const auto cpu = read_text(runs.path("cpu" + file)), cuda = read_text(runs.path("cuda" + file));
    CAPTURE(file);
    REQUIRE(!cpu.empty());
    CHECK(cpu == cuda);
  };
  same("/last.safetensors");
  same("_metrics.json");
  same("_found/detections.json");
  CHECK(without_times(read_text(runs.path("cpu/log.jsonl"))) == without_times(read_text(runs.path("cuda/log.jsonl"))));
  const std::string used = read_text(runs.path("cuda.json")), unused = read_text(runs.path("cpu.json"));
  CHECK(reported(used, "total_launches") > 100);
  CHECK(reported(unused, "total_launches") == 0);
  for (const char* held : {"memory_at_exit", "pinned_memory_at_exit", "streams_at_exit", "events_at_exit",
                           "graphs_at_exit", "allocations_in_capture", "waits_in_capture"})
    CHECK(reported(used, held) == 0);
}

TEST_CASE("standin: bench measures the GPU's work by its parts", "[standin]") {
  const ShortRuns runs(1, 1);
  const auto result = run_standin({"bench", "--preset", "tiny", "--size", "64", "--classes", "3", "--device", "cuda",
                                   "--warmup", "1", "--repeats", "1", "--json", runs.path("bench.json")});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  const std::string json = read_text(runs.path("bench.json"));
  CHECK_THAT(json, Contains("\"device\":\"cuda\"") && Contains("\"conv_forward\"") && Contains("\"focal_loss") &&
                       Contains("\"copy\""));
}

TEST_CASE("standin: which machine cannot train on a GPU is said in one line, and auto takes the CPU",
          "[standin][fault]") {
  const ShortRuns runs(2, 1);
  const std::pair<const char*, const char*> machines[] = {
      {"FOVEA_STANDIN_DRIVER=0", "no NVIDIA driver"},
      {"FOVEA_STANDIN_DRIVER=12040", "supports CUDA 12.4, this build needs CUDA 13.0"},
      {"FOVEA_STANDIN_DEVICES=0", "finds no GPU"},
      {"FOVEA_STANDIN_CAPABILITY=7.5", "compute capability 7.5; this build's kernels need 8.0"}};
  for (const auto& [environment, words] : machines) {
    const auto refused = run_standin(runs.train("run", "cuda", 1), environment);
    CAPTURE(environment, refused.err);
    CHECK(refused.exit_code == 1);
    CHECK_THAT(refused.err, Contains(words));
    CHECK(std::count(refused.err.begin(), refused.err.end(), '\n') == 1);
  }
  const auto on_cpu = run_standin(runs.train("auto", "auto", 1), "FOVEA_STANDIN_DEVICES=0");
  CHECK(on_cpu.exit_code == 0);
  CHECK(on_cpu.err.empty());
  const auto on_gpu = run_standin({"info", "--preset", "tiny", "--device", "auto"});
  CHECK_THAT(on_gpu.out, Contains("GPU 0: stand-in for NVIDIA H200") && Contains("compute capability 9.0") &&
                             Contains("driver: CUDA 13.0"));
}

TEST_CASE("standin: this build without the stand-in runs on a machine without a driver", "[standin][fault]") {
  const ShortRuns runs(2, 1);
  const auto result = run_fovea(runs.train("run", "auto", 1));
  CAPTURE(result.err);
  CHECK(result.exit_code == 0);
}
