// A whole training step on a GPU's queue: captured once and replayed; what it launches, and how much memory it takes.
#include <fmt/format.h>

#include "engine/optimizer.h"
#include "engine/repeated_work.h"
#include "tests/model/golden_network.h"
#include "tests/standin/standin.h"
#include "tests/support/catch.h"
#include "tests/support/network_bounds.h"
#include "tests/support/scoped.h"
#include "tools/config/config.h"

using namespace fovea;
using namespace fovea::test;

namespace {

enum class How { Cpu, Eager, Replayed };

struct Trained {
  std::vector<float> before, after;                                           // all trained values
  std::vector<std::pair<std::string, std::pair<size_t, size_t>>> parameters;  // name, range
};

Trained values_after(int steps, How how, const std::string& name, Precision precision) {
  GoldenNetwork net(name, kernels::ConvAlgorithm::Direct, how == How::Cpu ? DeviceKind::Cpu : DeviceKind::Cuda,
                    precision);
  ParameterStore& parameters = net.model.parameters();
  Trained trained{parameters.trained_values().to_host<float>(), {}, {}};
  for (const Parameter& p : parameters.all())
    if (p.trainable) {
      const auto begin = static_cast<size_t>(parameters.offset_of(p));
      trained.parameters.push_back({p.name, {begin, begin + static_cast<size_t>(p.shape.count())}});
    }
  Optimizer optimizer(net.context, parameters, {});
  optimizer.set_learning_rate(0.003);
  if (how != How::Replayed) {
    for (int i = 0; i < steps; ++i) step(net, optimizer);
  } else {
    net.context.queue.warm_up([&] { step(net, optimizer); });
    standin::reset_report();
    parameters.before_step(net.context);
    const Recording recording = net.context.queue.record([&] { step(net, optimizer); });
    CHECK(standin::report().allocations_in_capture == 0);
    CHECK(standin::report().waits_in_capture == 0);
    standin::reset_report();
    for (int i = 1; i < steps; ++i) recording.replay();
    CHECK(standin::report().calls.size() == 1);  // cudaGraphLaunch, and nothing else
  }
  trained.after = parameters.trained_values().to_host<float>();
  return trained;
}

// Empty where each parameter has moved alike, within `bound` of the largest movement of its elements; else the first
// that has not. A value that moved is rounded once a step.
std::string disagreement_of_steps(const Trained& a, const Trained& b, double bound, int steps) {
  for (const auto& [name, range] : a.parameters) {
    double largest = 0, value = 0, apart = 0;
    for (size_t i = range.first; i < range.second; ++i) {
      largest = std::max(largest, std::abs(double{a.after[i]} - a.before[i]));
      value = std::max(value, std::abs(double{a.after[i]}));
      apart = std::max(apart, std::abs(double{a.after[i]} - b.after[i]));
    }
    const double most = bound * largest + 2 * steps * epsilon_of<float>() * value;
    if (!(apart <= most)) return fmt::format("{}: {} apart, bound {}, moved by {}", name, apart, most, largest);
  }
  return "";
}

}  // namespace

TEST_CASE("standin: a training step by plans takes the CPU's step, within the bound of their roundings", "[standin]") {
  const std::string name = GENERATE("narrow_gn_giou", "narrow_basic", "narrow_bottleneck");
  const auto precision = GENERATE(Precision::F32, Precision::BF16);
  CAPTURE(name, static_cast<int>(precision));
  constexpr int kSteps = 3;
  const Trained expected = values_after(kSteps, How::Cpu, name, precision);
  CHECK(expected.before != expected.after);
  // Each step adds the error of its gradients, and momentum keeps it.
  const double a_step = precision == Precision::F32 ? 2 * kBackward : kBackwardBetweenTargetsBf16;
  CHECK(disagreement_of_steps(expected, values_after(kSteps, How::Eager, name, precision), kSteps * a_step, kSteps) ==
        "");
}

TEST_CASE("standin: replay of a captured training step equals eager steps bit for bit", "[standin][replay]") {
  const std::string name = GENERATE("narrow_gn_giou", "narrow_basic", "narrow_bottleneck");
  const auto precision = GENERATE(Precision::F32, Precision::BF16);
  const bool adverse = GENERATE(false, true);
  CAPTURE(name, adverse, static_cast<int>(precision));
  const Scoped order(standin::set_adverse_order, adverse);
  const auto expected = values_after(3, How::Eager, name, precision).after;
  CHECK((expected != values_after(2, How::Eager, name, precision).after));
  CHECK((expected == values_after(3, How::Replayed, name, precision).after));
}

namespace {

// Steps on batches of two and of one image, and validations between them, as a training mixes them; what each leaves.
class MixedWork {
 public:
  explicit MixedWork(bool records)
      : records_(records),
        net_("narrow_basic", kernels::ConvAlgorithm::Auto, DeviceKind::Cuda, Precision::BF16,
             /*frozen_stages=*/0) {
    optimizer_.set_learning_rate(0.003);
    net_.stage_truth(1);
    one_ = {net_.images.view({1, net_.size.height, net_.size.width, 3}), net_.truth, {}};
    net_.stage_truth(2);
    two_ = {net_.images, net_.truth, {}};
  }
  ParameterStore& parameters() { return net_.model.parameters(); }

  std::vector<std::vector<float>> run(const std::string& work) {  // letters: 2, 1, and V for a validation
    std::vector<std::vector<float>> left;
    for (const char kind : work) {
      if (kind == 'V')
        validate();
      else
        take_step(kind == '2' ? two_ : one_);
      left.push_back(kind == 'V' ? joined(outputs_) : parameters().trained_values().to_host<float>());
    }
    return left;
  }

 private:
  struct Batch {
    Tensor images;
    Truth truth;
    RepeatedWork repeated;
  };

  void take_step(Batch& batch) {
    parameters().before_step(net_.context);
    repeat(batch.repeated, [&] {
      Tape tape(net_.context, /*training=*/true);
      parameters().bind_gradients(tape, false);
      net_.model.loss(tape, net_.model.forward(tape, batch.images), net_.size, batch.truth);
      tape.backward();
      optimizer_.step();
    });
    parameters().stepped();
  }
  void validate() {
    repeat(validation_, [&] {
      Tape tape(net_.context, /*training=*/false);
      outputs_ = net_.model.forward(tape, net_.images);
    });
  }
  void repeat(RepeatedWork& repeated, const std::function<void()>& body) {
    if (records_)
      repeated.run(net_.context, body);
    else
      body();
  }
  static std::vector<float> joined(const Outputs& outputs) {
    std::vector<float> all;
    for (const auto* levels : {&outputs.logits, &outputs.deltas})
      for (const Tensor& level : *levels)
        for (const bfloat16 value : level.to_host<bfloat16>()) all.push_back(value);
    return all;
  }

  bool records_;
  GoldenNetwork net_;
  Optimizer optimizer_{net_.context, net_.model.parameters(), {}};
  Batch one_, two_;
  RepeatedWork validation_;
  Outputs outputs_;
};

}  // namespace

// Packed weights must be of this step whoever packed last: replays pack without the host's knowing.
TEST_CASE("standin: replays leave the bits of eager work to validations and to shapes that come late",
          "[standin][replay]") {
  const std::string work = "2222V221V11V1V2V";
  MixedWork eager(false), recorded(true);
  REQUIRE(eager.parameters().find("backbone.body.conv1.weight")->trainable);  // whose pixels and weights are folded
  const auto expected = eager.run(work), found = recorded.run(work);
  for (size_t i = 0; i < work.size(); ++i) {
    CAPTURE(work.substr(0, i + 1));
    CHECK((expected[i] == found[i]));
  }
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
  const Size2d size{800, 800};
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
  context.queue.warm_up(run);
  model.parameters().before_step(context);
  const Recording recording = context.queue.record(run);
  const auto report = standin::report();
  CHECK(report.allocations_in_capture == 0);
  return {static_cast<double>(report.peak_memory) / 1e9, static_cast<double>(context.memory.statistics().peak) / 1e9,
          report.graph_launches.at(0)};
}

}  // namespace

TEST_CASE("standin: memory and launches of a training step of R50 at 800 x 800, batch 1 to 32", "[standin][memory]") {
  const Scoped dry(standin::set_dry, true);
  fmt::print("R50 800 x 800, bf16, one captured training step:\n{:>6}{:>18}{:>14}{:>10}\n", "batch", "device memory GB",
             "in use GB", "launches");
  int64_t launches = 0;
  for (const int batch : {1, 2, 4, 8, 16, 32}) {
    const Needs needs = needs_of(batch, Precision::BF16);
    fmt::print("{:>6}{:>18.2f}{:>14.2f}{:>10}\n", batch, needs.reserved, needs.tensors, needs.launches);
    if (launches == 0) launches = needs.launches;
    // Whatever the batch: only the class logits' weight gradient may be cut in two parts, each a matmul and a pass.
    CHECK((needs.launches == launches || needs.launches == launches + 2));
    if (batch == 32) CHECK(needs.reserved <= 20);
  }
}
