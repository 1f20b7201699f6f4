// The form of weights that convolutions take: whoever changes the weights, it is what it would be if made anew.
#include "engine/working_weight.h"

#include <limits>

#include "engine/layers.h"
#include "engine/optimizer.h"
#include "tests/support/device_memory.h"
#include "tests/support/seeded.h"

using namespace fovea;
using namespace fovea::test;

namespace {

// One convolution of 5 to 8 channels with its norm, and gradients for its parameters.
struct OneLayer {
  OneLayer(Norm norm, Precision precision)
      : context(test_device(), precision),
        layer(store, {.name = "conv",
                      .norm_name = "norm",
                      .in_channels = 5,
                      .out_channels = 8,
                      .bias = norm == Norm::None,
                      .norm = norm,
                      .norm_groups = 2}) {
    store.allocate(context, 1);
    uint64_t seed = 2;
    for (Parameter& p : store.all())
      if (p.role != ParameterRole::ConvWeight) p.value.upload(seeded_uniform<float>(p.shape.count(), seed++, 0.5, 1.5));
    store.gradients().upload(seeded_uniform<float>(store.gradients().count(), seed));
    optimizer = std::make_unique<Optimizer>(context, store, OptimizerConfig{});
    optimizer->set_learning_rate(0.1);
    store.touch();
  }
  WorkingWeight& working() { return *store.find("conv.weight")->working; }
  std::vector<float> values() {
    const Tensor& value = working().value();
    if (value.dtype() == DType::F32) return value.to_host<float>();
    const auto narrow = value.to_host<bfloat16>();
    return {narrow.begin(), narrow.end()};
  }
  std::vector<float> values_made_anew() {
    store.touch();
    store.before_step(context);
    return values();
  }
  // What before_step() does.
  int64_t calls_before_step() {
    QueueProfile profile;
    context.queue.set_profile(&profile);
    store.before_step(context);
    context.queue.set_profile(nullptr);
    int64_t calls = 0;
    for (const auto& [key, entry] : profile.entries) calls += entry.calls;
    return calls;
  }

  Context context;
  ParameterStore store;
  ConvLayer layer;
  std::unique_ptr<Optimizer> optimizer;
};

const auto kNorms = {Norm::None, Norm::FrozenBatch, Norm::Batch, Norm::Group};

}  // namespace

TEST_CASE("working weights: a step of the optimizer leaves them as they would be made anew", "[working_weight]") {
  const Norm norm = GENERATE(values(kNorms));
  const Precision precision = GENERATE(Precision::F32, Precision::BF16);
  CAPTURE(static_cast<int>(norm), static_cast<int>(precision));
  OneLayer one(norm, precision);
  CHECK(one.calls_before_step() > 0);
  const auto before = one.values();
  for (int step = 0; step < 2; ++step) {
    const uint64_t version = *one.working().version();
    one.optimizer->step();
    CHECK(*one.working().version() != version);
    CHECK(one.calls_before_step() == 0);
    const auto after = one.values();
    CHECK(after != before);
    CHECK(after == one.values_made_anew());
  }
}

TEST_CASE("working weights: a step that is skipped leaves them as they are", "[working_weight][fault]") {
  OneLayer one(Norm::FrozenBatch, Precision::BF16);
  one.store.before_step(one.context);
  const auto before = one.values();
  one.store.gradients().upload(
      std::vector<float>(one.store.gradients().count(), std::numeric_limits<float>::quiet_NaN()));
  one.optimizer->step();
  CHECK(one.values() == before);
  CHECK(before == one.values_made_anew());
}

TEST_CASE("working weights: evaluation folds a batch norm, and the next step has it unfolded again",
          "[working_weight]") {
  const Precision precision = GENERATE(Precision::F32, Precision::BF16);
  CAPTURE(static_cast<int>(precision));
  OneLayer one(Norm::Batch, precision);
  one.store.before_step(one.context);
  const auto unfolded = one.values();
  const auto evaluate = [&] {
    Tape tape(one.context, /*training=*/false);
    one.layer.forward(tape, one.context.empty({1, 4, 4, 5}, one.context.activation_dtype), /*relu=*/true);
    return one.values();
  };
  CHECK(evaluate() != unfolded);
  one.store.before_step(one.context);
  CHECK(one.values() == unfolded);
  one.optimizer->step();
  const auto stepped = one.values();
  const auto folded = evaluate();
  CHECK(folded != stepped);
  one.store.touch();
  CHECK(evaluate() == folded);
  // A step from a folded form: nothing stands for the new weights, neither for evaluation nor for the next step.
  one.optimizer->step();
  const auto folded_after = evaluate();
  one.store.touch();
  CHECK(evaluate() == folded_after);
  one.optimizer->step();
  CHECK(one.calls_before_step() > 0);
  CHECK(one.values() == one.values_made_anew());
}
