// A whole training step through the queue: recorded once and replayed, it does what eager steps do, bit for bit.
#include "engine/optimizer.h"
#include "model/trace.h"
#include "tests/model/golden_network.h"
#include "tests/support/catch.h"

using namespace fovea;
using namespace fovea::test;

namespace {

std::vector<float> values_after(int steps, bool replayed) {
  GoldenNetwork net("narrow_gn_giou");
  Optimizer optimizer(net.context, net.model.parameters(), {});
  optimizer.set_learning_rate(0.003);
  {
    Tape tape(net.context, false);
    net.model.anchors_for(net.model.forward(tape, net.images),
                          net.size);  // made from the host, once, before anything is recorded
  }
  if (replayed) {
    net.model.parameters().before_step(net.context);
    const Recording recording = net.context.queue.record([&] { step(net, optimizer); });
    for (int i = 0; i < steps; ++i) recording.replay();
  } else {
    for (int i = 0; i < steps; ++i) step(net, optimizer);
  }
  return net.model.parameters().trained_values().to_host<float>();
}

}  // namespace

TEST_CASE("replay of a recorded training step equals eager steps bit for bit", "[replay][determinism]") {
  const auto eager = values_after(3, false);
  CHECK(eager != values_after(2, false));
  CHECK(eager == values_after(3, true));
}

TEST_CASE("a host read inside a recorded training step throws with its reason", "[replay]") {
  GoldenNetwork net("narrow_basic");
  CHECK_THROWS_WITH(net.context.queue.record([&] { net.images.to_host<float>(); }),
                    Catch::Contains("copying a tensor to the host"));
}

TEST_CASE("training memory is flat: after the first step nothing more is taken from the system", "[replay][memory]") {
  GoldenNetwork net("narrow_bottleneck");
  Optimizer optimizer(net.context, net.model.parameters(), {});
  optimizer.set_learning_rate(1e-4);
  step(net, optimizer);
  step(net, optimizer);
  const MemoryStatistics before = net.context.memory.statistics();
  for (int i = 0; i < 50; ++i) step(net, optimizer);
  CHECK(net.context.memory.statistics().reserved == before.reserved);
  CHECK(net.context.memory.statistics().total == before.total);
}

TEST_CASE("a network whose layers were listed trains as one that was left alone", "[replay]") {
  const auto trained = [](bool listed) {
    GoldenNetwork net("narrow_bottleneck");  // its frozen norms are folded into the weights
    if (listed) REQUIRE(!traced_layers(net.context, net.model, net.images.shape(), /*training=*/true).empty());
    Optimizer optimizer(net.context, net.model.parameters(), {});
    optimizer.set_learning_rate(0.003);
    step(net, optimizer);
    return net.model.parameters().trained_values().to_host<float>();
  };
  CHECK(trained(true) == trained(false));
}
