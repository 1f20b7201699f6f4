// A whole training step on a GPU's queue: captured once and replayed; what it launches, and how much memory it takes.
#include <fmt/format.h>

#include "engine/optimizer.h"
#include "tests/model/golden_network.h"
#include "tests/standin/standin.h"
#include "tests/support/catch.h"
#include "tools/config/config.h"

using namespace fovea;
using namespace fovea::test;

namespace {

enum class How { Cpu, Eager, Replayed };

std::vector<float> values_after(int steps, How how, const std::string& name) {
  GoldenNetwork net(name, kernels::ConvAlgorithm::Auto, how == How::Cpu ? DeviceKind::Cpu : DeviceKind::Cuda);
  Optimizer optimizer(net.context, net.model.parameters(), {});
  optimizer.set_learning_rate(0.003);
  if (how != How::Replayed) {
    for (int i = 0; i < steps; ++i) step(net, optimizer);
    return net.model.parameters().trained_values().to_host<float>();
  }
  net.context.queue.rehearse([&] { step(net, optimizer); });
  standin::reset_report();
  net.model.parameters().before_step(net.context);
  const Recording recording = net.context.queue.record([&] { step(net, optimizer); });
  CHECK(standin::report().allocations_in_capture == 0);
  CHECK(standin::report().waits_in_capture == 0);
  standin::reset_report();
  for (int i = 1; i < steps; ++i) recording.replay();
  CHECK(standin::report().calls.size() == 1);  // cudaGraphLaunch, and nothing else
  return net.model.parameters().trained_values().to_host<float>();
}

}  // namespace

TEST_CASE("standin: replay of a captured training step equals eager steps, and the CPU's, bit for bit",
          "[standin][replay]") {
  const std::string name = GENERATE("narrow_gn_giou", "narrow_basic", "narrow_bottleneck");
  const bool adverse = GENERATE(false, true);
  CAPTURE(name, adverse);
  standin::set_adverse_order(adverse);
  const auto expected = values_after(3, How::Cpu, name);
  CHECK((expected != values_after(2, How::Cpu, name)));
  CHECK((expected == values_after(3, How::Eager, name)));
  CHECK((expected == values_after(3, How::Replayed, name)));
  standin::set_adverse_order(false);
}

namespace {

struct Needs {
  double reserved, tensors;  // GB
  int64_t launches;
};

// Memory and launches of a captured training step of R50 at 800 x 800.
Needs needs_of(int batch, Precision precision) {
  Config config = preset("torchvision");
  config.model.classes = 80;
  Context context(DeviceKind::Cuda, precision);
  RetinaNet model(context, config.model, 0);
  Optimizer optimizer(context, model.parameters(), config.train.optimizer);
  const int64_t n = batch;
  const Tensor images = context.empty({n, 800, 800, 3}, context.activation_dtype);
  const Truth truth{context.empty({n, 64, 4}, DType::F32), context.empty({n, 64}, DType::I32),
                    context.empty({n, 64}, DType::U8), context.empty({n}, DType::I32)};
  const LevelSize size{800, 800};
  {
    Tape tape(context, false);
    model.anchors_for(model.forward(tape, context.empty({1, 800, 800, 3}, context.activation_dtype)), size);
  }
  const auto run = [&] {
    Tape tape(context, true);
    model.parameters().bind_gradients(tape, false);
    model.loss(tape, model.forward(tape, images), size, truth);
    tape.backward();
    optimizer.step();
  };
  context.memory.release_cached();
  context.memory.reset_peak();
  standin::reset_report();
  context.queue.rehearse(run);
  model.parameters().before_step(context);
  const Recording recording = context.queue.record(run);
  const auto report = standin::report();
  CHECK(report.allocations_in_capture == 0);
  return {static_cast<double>(report.peak_memory) / 1e9, static_cast<double>(context.memory.statistics().peak) / 1e9,
          report.graph_launches.at(0)};
}

}  // namespace

TEST_CASE("standin: memory and launches of a training step of R50 at 800 x 800, batch 1 to 32", "[standin][memory]") {
  standin::set_dry(true);
  fmt::print("R50 800 x 800, bf16, one captured training step:\n{:>6}{:>18}{:>14}{:>10}\n", "batch", "device memory GB",
             "in use GB", "launches");
  int64_t launches = 0;
  for (const int batch : {1, 2, 4, 8, 16, 32}) {
    const Needs needs = needs_of(batch, Precision::BF16);
    fmt::print("{:>6}{:>18.2f}{:>14.2f}{:>10}\n", batch, needs.reserved, needs.tensors, needs.launches);
    CHECK((launches == 0 || needs.launches == launches));  // whatever the batch
    launches = needs.launches;
    if (batch == 32) CHECK(needs.reserved <= 20);
  }
  standin::set_dry(false);
}
