// `fovea bench` on a GPU's queue: what its figures stand on, and that they are kept.
#include <set>
#include <sstream>

#include "kernels/error.h"
#include "tests/cuda/program.h"
#include "tests/support/catch.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

std::vector<std::string> bench(const std::string& json) {
  return {"bench", "--preset", "tiny", "--size",    "64", "--classes", "3", "--device",
          "cuda",  "--warmup", "1",    "--repeats", "1",  "--json",    json};
}

}  // namespace

TEST_CASE("standin: bench names the libraries, with their versions and files, and the GPU", "[standin]") {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "bench.json").string();
  const auto result = run_standin(bench(file));
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(result.err.empty());
  const std::string json = read_text(file);
  CHECK_THAT(json, Contains(R"("gpu":"stand-in for NVIDIA H200","driver":13000,)") &&
                       Contains(R"("cuDNN":{"version":"9.)") && Contains(R"(/libcudnn.so.9"})") &&
                       Contains(R"("cuBLASLt":{"version":")") && Contains(R"("NVRTC":{"version":")"));
}

TEST_CASE("standin: a library without which a GPU is slower is said once, and is null in bench's file",
          "[standin][fault]") {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "bench.json").string();
  const auto result = run_standin(bench(file), "FOVEA_NVRTC=/nowhere");
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  CHECK_THAT(result.err, Contains("warning: NVRTC") && Contains("FOVEA_NVRTC names /nowhere"));
  CHECK_THAT(read_text(file), Contains(R"("NVRTC":null)"));
}

TEST_CASE("standin: info lists each layer once, on a GPU as on the CPU", "[standin]") {
  const auto layers = [](const char* device) {
    const auto result = run_standin(
        {"info", "--preset", "tiny", "--size", "64", "--precision", "fp32", "--roofline", "--device", device});
    CAPTURE(result.err);
    REQUIRE(result.exit_code == 0);
    const size_t begin = result.out.find("\nlayer "), end = result.out.find("detection without its last step");
    REQUIRE(begin < end);
    std::istringstream table(result.out.substr(begin, end - begin));
    std::multiset<std::string> lines;  // the heads take turns on one of the two only
    for (std::string line; std::getline(table, line);) lines.insert(line);
    return lines;
  };
  CHECK(layers("cuda") == layers("cpu"));
}

TEST_CASE("standin: bench that cannot time a layer's plans says why in a line", "[standin][fault]") {
  const auto refused = [](const char* device, const char* layer, ErrorKind kind, const char* why) {
    const auto result = run_standin({"bench", "--preset", "tiny", "--size", "64", "--device", device, "--precision",
                                     "bf16", "--time-plans", layer});
    CHECK(result.exit_code == static_cast<int>(kind));
    CHECK_THAT(result.err, Contains(why));
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  };
  refused("cuda", "head.nothing", ErrorKind::Usage,
          "the network has no layer 'head.nothing'; list its layers (fovea info --layers)");
  refused("cpu", "head.nothing", ErrorKind::Usage,
          "cuDNN's plans are timed on a GPU only; use the GPU (--device cuda)");
  refused("cuda", "head.classification_head.conv.0.0", ErrorKind::Runtime, "timing plans needs a GPU");  // the stand-in
}

TEST_CASE("standin: what bench has measured stays where what follows fails", "[standin][fault]") {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "bench.json").string();
  const auto result = run_standin(bench(file), "FOVEA_STANDIN_FAIL=cudaGraphInstantiate:3:719");  // training's
  CAPTURE(result.err);
  REQUIRE(result.exit_code != 0);
  const std::string json = read_text(file);
  CHECK_THAT(json, Contains("\"inference\":{\"seconds_per_image\":") && Contains("\"conv_forward\"") &&
                       !Contains("\"training\":"));
}
