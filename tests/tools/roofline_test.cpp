// The performance model against figures computed by hand from the paper's network.
#include "tools/analysis/roofline.h"

#include "model/trace.h"
#include "tests/support/catch.h"
#include "tools/config/config.h"

using namespace fovea;

namespace {

std::vector<LayerCost> costs_of_paper(int batch) {
  Config config = preset("paper");
  config.model.classes = 80;
  Context context(DeviceKind::Cpu, Precision::BF16);
  RetinaNet model(context, config.model, 0);
  return layer_costs(traced_layers(context, model, {batch, 800, 800, 3}, /*training=*/true), model);
}

}  // namespace

TEST_CASE("the performance model counts the arithmetic of R50 at 800 x 800", "[roofline]") {
  double forward = 0, training = 0;
  for (const LayerCost& cost : costs_of_paper(1)) {
    forward += cost.forward.flop;
    training += cost.training().flop;
  }
  CHECK(forward == Approx(2 * 149.2e9).epsilon(1e-3));
  CHECK(training == Approx(849.8e9).epsilon(1e-3));  // stem and first stage frozen
}

TEST_CASE("a launch takes the longer of its arithmetic and its memory", "[roofline]") {
  const RooflineDevice device{"", 100, 10};
  CHECK(Cost{200, 10}.seconds(device) == 2);
  CHECK(Cost{200, 40}.seconds(device) == 4);
  const LayerCost layer{"layer", {200, 10}, {0, 10}, {100, 10}, {}};
  CHECK(layer.training_seconds(device) == 2 + 1 + 1);
  CHECK(layer.training().bytes == 30);
  CHECK_THAT(roofline_table({layer}, device, 2), Catch::Contains("at most 1 images/s") && Catch::Contains("layer"));
}
