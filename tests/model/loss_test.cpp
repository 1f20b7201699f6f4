// The losses of single levels, which diagnose a loss that is not finite.
#include "tests/model/golden_network.h"
#include "tests/support/catch.h"

using namespace fovea;
using namespace fovea::test;

TEST_CASE("the losses of the levels add up to the loss and leave the outputs alone", "[loss]") {
  GoldenNetwork net("narrow_basic");
  Tape tape(net.context, /*training=*/true);
  net.model.parameters().bind_gradients(tape, false);
  const Outputs outputs = net.model.forward(tape, net.images);
  const auto logits = outputs.logits[0].to_host<float>(), deltas = outputs.deltas[0].to_host<float>();
  const auto levels = net.model.losses_by_level(outputs, net.size, net.truth);
  CHECK(outputs.logits[0].to_host<float>() == logits);
  CHECK(outputs.deltas[0].to_host<float>() == deltas);
  double classification = 0, box = 0;
  for (const LevelLosses& level : levels) {
    CHECK(level.classification > 0);  // each has background at least
    classification += level.classification;
    box += level.box;
  }
  const Losses whole = net.model.loss(tape, outputs, net.size, net.truth);
  const double rounding = 2. * levels.size() * 0x1p-24;  // of each level's sum and of the whole one
  CHECK(classification == Approx(whole.classification.to_host<float>()[0]).epsilon(rounding));
  CHECK(box == Approx(whole.box.to_host<float>()[0]).epsilon(rounding));
  CHECK(box > 0);
}
