// `fovea bench` on the CPU: what detection is given to do.
#include <sstream>

#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training_data.h"

using namespace fovea;
using namespace fovea::test;

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
