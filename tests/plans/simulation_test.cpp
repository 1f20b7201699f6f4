// `fovea info --simulate` without a GPU: every call that a recorded step would make, from the plans of the described
// one.
#include <regex>

#include "tests/support/catch.h"
#include "tests/support/process.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

struct Predicted {
  int calls;
  double images_per_second;
};

Predicted predicted(const std::string& out, const std::string& what) {
  std::smatch found;
  REQUIRE(
      std::regex_search(out, found, std::regex(what + R"(: (\d+) calls, [\d.]+ ms per batch of \d+, (\d+) images/s)")));
  return {std::stoi(found[1]), std::stod(found[2])};
}

}  // namespace

TEST_CASE("plan: a step is predicted from the calls that are recorded for a described GPU", "[plans][simulation]") {
  const auto result = run_fovea(
      {"info", "--preset", "paper", "--set", "model.classes=80", "--size", "800", "--batch", "16", "--simulate"});
  CAPTURE(result.out, result.err);
  REQUIRE(result.exit_code == 0);
  const Predicted detection = predicted(result.out, "detection"), training = predicted(result.out, "training");
  // Above the arithmetic's bound (docs/performance-model.md) nothing can be; far below it something is counted twice.
  CHECK(training.images_per_second < 930);
  CHECK(training.images_per_second > 930 / 3.0);
  CHECK(detection.images_per_second < 2648);
  CHECK(detection.images_per_second > 2648 / 3.0);
  CHECK(training.calls > 2 * detection.calls);
  CHECK_THAT(result.out,
             Contains("backbone.body.layer3.0.conv2.weight") && Contains("focal_loss") && Contains("not measured"));
  // The heads' outputs have the channels that tensor cores take, and their bias gradients are folded once a layer.
  CHECK_THAT(result.out, !Contains("pad_channels") && !Contains("finish_forward"));
  // Small ones, and those that finish what was counted with their first launch.
  std::smatch undeclared;
  std::string::const_iterator from = result.out.begin();
  const std::regex line("counted as launch gaps only: ([^\n]*)");
  while (std::regex_search(from, result.out.end(), undeclared, line)) {
    CHECK_THAT(undeclared[1], !Contains("conv_") && !Contains("pad_channels") && !Contains("relu_forward") &&
                                  !Contains("copy") && !Contains("max_pool") && !Contains("upsample"));
    from = undeclared.suffix().first;
  }
}
