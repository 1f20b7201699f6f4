// `fovea bench` on the CPU: what detection is given to do.
#include <span>
#include <sstream>

#include "engine/safetensors.h"
#include "tests/support/catch.h"
#include "tests/support/checked_run.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training_data.h"
#include "tools/config/config.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

double number_after(const std::string& json, const std::string& name) {
  const size_t at = json.find("\"" + name + "\":");
  REQUIRE(at != std::string::npos);
  return std::stod(json.substr(at + name.size() + 3));
}

std::vector<double> list_after(const std::string& json, const std::string& name) {
  const size_t at = json.find("\"" + name + "\":[");
  REQUIRE(at != std::string::npos);
  std::istringstream numbers(json.substr(at + name.size() + 4));
  std::vector<double> list(1);
  for (char comma = ','; comma == ',' && numbers >> list.back() >> comma;) list.push_back(0);
  list.pop_back();
  return list;
}

}  // namespace

TEST_CASE("bench names the preset that it runs, with the preset's classes", "[bench]") {
  const TemporaryFolder folder;
  const std::string json = (folder.path() / "b.json").string();
  const auto run = run_fovea({"bench", "--preset", "tiny", "--size", "64", "--repeats", "1", "--warmup", "0",
                              "--inference-only", "--json", json},
                             R"(OMP_NUM_THREADS=3 exec "$0" "$@")");
  REQUIRE(run.exit_code == 0);
  const std::string classes = std::to_string(preset("tiny").model.classes);
  CHECK_THAT(run.out, Catch::StartsWith("tiny: ResNet-18, 64x64, batch 1, " + classes + " classes"));
  CHECK_THAT(run.out, Contains(", 3 threads\n"));
  CHECK_THAT(read_text(json),
             Contains("\"model\":\"tiny\"") && Contains("\"classes\":" + classes) && Contains("\"threads\":3,"));
}

TEST_CASE("fault: bench refuses what it cannot run, and says why", "[bench][fault]") {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "small.safetensors").string();
  const std::vector<float> pixels(3);
  write_safetensors(file, {{"images", {"F32", {1, 1, 1, 3}, std::as_bytes(std::span(pixels))}}}, {});
  check_fails(3, {"bench", "--preset", "tiny", "--size", "64", "--input", file},
              "'images' is [1, 1, 1, 3], expected [1, 64, 64, 3]");
  check_fails(2, {"bench", "--device", "gpu"}, "--device");
  check_fails(2, {"bench", "--warmup", "-1"}, "--warmup: must be at least 0");
  check_fails(2, {"bench", "--repeats", "0"}, "--repeats: must be at least 1");
  check_fails(2, {"bench", "--inference-only", "--training-only"}, "--inference-only");
}

TEST_CASE("bench: random weights give detection a thousand candidates an image, on all levels", "[bench]") {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "bench.json").string(), precision = GENERATE("fp32", "bf16");
  CAPTURE(precision);
  const auto result =
      run_fovea({"bench",     "--model", "r18",       "--size", "128",         "--batch", "2",
                 "--classes", "20",      "--device",  "cpu",    "--precision", precision, "--inference-only",
                 "--warmup",  "0",       "--repeats", "1",      "--json",      file});
  CAPTURE(result.err);
  REQUIRE(result.exit_code == 0);
  const std::string json = read_text(file);
  const double candidates = number_after(json, "candidates_per_image");
  // The bias puts the threshold between two logits; rounding them to bf16 moves the threshold, near 3, by up to 2^-7
  // where logits have a spread of 1, and their number by that times at most 5 (the slope of a normal's tail).
  const double off = precision == "bf16" ? 5 * 0x1p-7 + 0.05 : 0.002;
  CHECK(candidates > 1000 * (1 - off));
  CHECK(candidates < 1000 * (1 + off));
  const auto levels = list_after(json, "candidates_by_level");
  REQUIRE(levels.size() == 5);
  for (const double level : levels) CHECK(level > 0);
  CHECK(result.out.find("candidates per image: ") != std::string::npos);
}
