// Detection in batches on a GPU's queue: how often the host waits, and what is recorded.
#include "tests/cuda/program.h"
#include "tests/standin/standin.h"
#include "tests/support/catch.h"
#include "tests/support/detection_scene.h"
#include "tests/support/scoped.h"

using namespace fovea;
using namespace fovea::test;

namespace {

int64_t waits(const standin::Report& report) {
  int64_t count = 0;
  for (const char* call : {"cudaStreamSynchronize", "cudaEventSynchronize", "cudaDeviceSynchronize"})
    if (const auto found = report.calls.find(call); found != report.calls.end()) count += found->second;
  return count;
}

}  // namespace

TEST_CASE(
    "standin: detection in batches, recorded or not, finds the same bit for bit in any order of the device's work",
    "[standin][replay]") {
  DetectionScene scene(DeviceKind::Cuda);
  for (const int batch : {1, 3, 8}) {
    CAPTURE(batch);
    Detector eager(scene.model, scene.config.input, batch);
    const auto expected = scene.detect(eager, 20);
    REQUIRE(expected[19].size() > 10);
    const Scoped order(standin::set_adverse_order, true);
    Detector detector(scene.model, scene.config.input, batch);
    for (int times = 0; times < 3; ++times) CHECK(same_boxes(scene.detect(detector, 20), expected));
  }
}

TEST_CASE("standin: detection in batches on a GPU gives the CPU's numbers one by one, bit for bit", "[standin]") {
  const ShortRuns runs(2, 7);
  auto train = runs.train("run", "cpu", 2);
  train.insert(train.end(), {"--set", "model.detect.score_threshold=0.005"});
  REQUIRE(run_standin(train).exit_code == 0);
  const auto found = [&](const std::string& device, const std::string& batch) {
    const auto result =
        run_standin({"detect", (runs.data / "val").string(), "--weights", runs.path("run") + "/last.safetensors",
                     "--out", runs.path("found"), "--device", device, "--conv", "direct", "--batch", batch},
                    "FOVEA_STANDIN_CONV=direct FOVEA_STANDIN_ORDER=adverse");
    CAPTURE(result.err);
    REQUIRE(result.exit_code == 0);
    return read_text(runs.path("found") + "/detections.json");
  };
  const std::string expected = found("cpu", "1");
  CHECK(expected.size() > 1000);
  for (const char* batch : {"1", "3", "8"}) CHECK((found("cuda", batch) == expected));
}

TEST_CASE("standin: detection waits for the device as often for a batch of eight images as for one of two",
          "[standin]") {
  DetectionScene scene(DeviceKind::Cuda);
  for (const size_t batch : {size_t{2}, size_t{8}}) {
    CAPTURE(batch);
    Detector detector(scene.model, scene.config.input, static_cast<int>(batch));
    const auto run = [&] {
      for (size_t n = 0; n < batch; ++n) detector.add(scene.image(0));
    };
    for (int i = 0; i < 3; ++i) run();  // as it is, recorded, replayed
    standin::reset_report();
    constexpr int kBatches = 5;
    for (int i = 0; i < kBatches; ++i) run();
    const auto report = standin::report();
    CHECK(report.replays == kBatches);
    CHECK(waits(report) == 3 * kBatches);                       // the room for pixels and for sizes, and the results
    CHECK(report.calls.at("cudaMemcpyAsync") == 3 * kBatches);  // pixels, sizes, results
    CHECK(report.calls.count("cudaMalloc") == 0);
  }
}

TEST_CASE("standin: detection's last batches take the places of full ones, or of a power of two", "[standin]") {
  DetectionScene scene(DeviceKind::Cuda);
  Detector detector(scene.model, scene.config.input, 8);
  const auto launches = [&](size_t images) {
    standin::reset_report();
    for (size_t n = 0; n < images; ++n) detector.add(scene.image(0));
    detector.finish();
    return standin::report();
  };
  launches(3);  // of four places, with new weights
  launches(3);
  CHECK(standin::report().graphs == 0);
  launches(4);  // recorded
  CHECK(standin::report().graphs == 1);
  CHECK(launches(3).replays == 1);
  launches(8);
  launches(8);
  CHECK(standin::report().graphs == 2);
  for (const size_t images : {7, 3, 5, 1}) CHECK(launches(images).replays == 1);
  CHECK(standin::report().graphs == 2);
}
