// The losses of single levels, which diagnose a loss that is not finite.
#include "engine/optimizer.h"
#include "engine/repeated_work.h"
#include "tests/model/golden_network.h"
#include "tests/support/catch.h"

using namespace fovea;
using namespace fovea::test;

namespace {

const LossConfig kLosses[] = {
    {},
    {.kind = LossKind::FocalStar},
    {.kind = LossKind::CrossEntropy, .alpha = -1},
    {.kind = LossKind::Ohem, .mining_batch = 64},
    {.kind = LossKind::Ohem, .alpha = -1, .mining_batch = 64, .mining_nms = 0.5, .mining_ratio = 3},
    {.kind = LossKind::Ssd, .alpha = 0.75},
    {.class_weights = {0.3, 1.2, 2.5}}};

}  // namespace

TEST_CASE("the losses of the levels add up to the loss and leave the outputs alone", "[loss]") {
  GoldenNetwork net("narrow_basic");
  const size_t which = GENERATE(range<size_t>(0, std::size(kLosses)));
  CAPTURE(which);
  net.model.config().loss = kLosses[which];
  net.model.config().loss.class_weights.resize(which == std::size(kLosses) - 1 ? net.model.config().classes : 0, 0.8);
  Tape tape(net.context, /*training=*/true);
  net.model.parameters().bind_gradients(tape, false);
  const Outputs outputs = net.model.forward(tape, net.images);
  const auto logits = outputs.logits[0].to_host<float>(), deltas = outputs.deltas[0].to_host<float>();
  const auto levels = net.model.losses_by_level(outputs, net.size, net.truth);
  CHECK(outputs.logits[0].to_host<float>() == logits);
  CHECK(outputs.deltas[0].to_host<float>() == deltas);
  double classification = 0, box = 0;
  for (const LevelLosses& level : levels) {
    if (which == 0) CHECK(level.classification > 0);  // each has background at least
    classification += level.classification;
    box += level.box;
  }
  const Losses whole = net.model.loss(tape, outputs, net.size, net.truth);
  const double rounding = 2. * levels.size() * 0x1p-24;  // of each level's sum and of the whole one
  CHECK(classification == Approx(whole.classification.to_host<float>()[0]).epsilon(rounding));
  CHECK(box == Approx(whole.box.to_host<float>()[0]).epsilon(rounding));
  CHECK(box > 0);
}

namespace {

// Loss and gradients of some steps, of which the later ones are replayed where they are recorded.
std::vector<float> learned(const LossConfig& loss, bool records) {
  GoldenNetwork net("narrow_basic");
  net.model.config().loss = loss;
  Optimizer optimizer(net.context, net.model.parameters(), {});
  optimizer.set_learning_rate(0.001);
  RepeatedWork work;
  Losses losses;
  std::vector<float> left;
  for (int i = 0; i < 4; ++i) {
    net.model.parameters().before_step(net.context);
    const auto body = [&] {
      Tape tape(net.context, /*training=*/true);
      net.model.parameters().bind_gradients(tape, false);
      losses = net.model.loss(tape, net.model.forward(tape, net.images), net.size, net.truth);
      tape.backward();
      optimizer.step();
    };
    if (records)
      work.run(net.context, body);
    else
      body();
    net.model.parameters().stepped();
    left.push_back(losses.classification.to_host<float>()[0]);
  }
  for (const float value : net.model.parameters().trained_values().to_host<float>()) left.push_back(value);
  return left;
}

}  // namespace

// A recording throws where anything in it waits for the host.
TEST_CASE("each loss is recorded, and replays to the bits of eager steps", "[loss][replay]") {
  for (LossConfig loss : kLosses) {
    CAPTURE(static_cast<int>(loss.kind), loss.mining_ratio);
    loss.class_weights.clear();
    const auto eager = learned(loss, false);
    CHECK(learned(loss, true) == eager);
    CHECK(std::all_of(eager.begin(), eager.end(), [](float value) { return std::isfinite(value); }));
  }
}
