#include "engine/autograd.h"

#include <algorithm>
#include <functional>

#include "engine/layers.h"
#include "tests/support/catch.h"
#include "tests/support/tolerance.h"

using namespace fovea;

namespace {
Tensor ramp(Context& context, Shape shape, float first, float step) {
  std::vector<float> values(static_cast<size_t>(shape.count()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = first + step * static_cast<float>(i);
  return Tensor::from(context.memory, std::move(shape), values);
}
}  // namespace

TEST_CASE("a tensor used twice receives the sum of both gradients", "[autograd]") {
  Context context;
  const Tensor x = ramp(context, {1, 2, 2, 2}, -3, 1);  // -3 … 4
  x.set_requires_gradient(true);
  Tape tape(context, true);
  const Tensor y = ops::add_relu(tape, ops::relu(tape, x), x);  // 2x for x > 0, else max(x, 0) = 0
  tape.gradients().give(y, ramp(context, y.shape(), 1, 0));
  const Tensor dx = ramp(context, x.shape(), 0, 0);
  tape.gradients().bind(x, dx, false);
  tape.backward();
  CHECK(dx.to_host<float>() == std::vector<float>{0, 0, 0, 0, 2, 2, 2, 2});
}

TEST_CASE("activations are freed as their backward has run, and nothing is kept outside training", "[autograd]") {
  Context context;
  const Tensor x = ramp(context, {1, 64, 64, 16}, -1, 1e-4f);
  x.set_requires_gradient(true);
  const size_t before = context.memory.statistics().total;
  {
    Tape tape(context, false);
    Tensor y = x;
    for (int i = 0; i < 8; ++i) y = ops::relu(tape, y);
    CHECK(context.memory.statistics().total == before + y.bytes());
  }
  {
    Tape tape(context, true);
    Tensor y = x;
    for (int i = 0; i < 8; ++i) y = ops::relu(tape, y);
    CHECK(context.memory.statistics().total == before + 8 * y.bytes());
    tape.gradients().give(y, ramp(context, y.shape(), 1, 0));
    y = Tensor();
    context.memory.reset_peak();
    tape.backward();
    // Of eight activations and a gradient each, at most the activations and two gradients were alive at a time.
    CHECK(context.memory.statistics().peak <= before + 10 * x.bytes());
  }
  CHECK(context.memory.statistics().total == before);
}

namespace {

// y = relu(conv(x)) with its ReLU in the convolution, whose mask the next layers may take, or apart; then two layers on
// it that `use` joins. The gradients of all weights and of x, and how often a gradient was masked by a pass of its own.
using Use = std::function<Tensor(Tape&, ConvLayer&, ConvLayer&, const Tensor&)>;
struct AroundRelu {
  std::vector<std::vector<float>> gradients;
  int64_t masks = 0;
};
AroundRelu gradients_around_a_relu(bool apart, const Use& use) {
  Context context;
  ParameterStore store;
  std::vector<ConvLayer> layers;
  for (const char* name : {"first", "a", "b"})
    layers.emplace_back(store, ConvLayerConfig{.name = name, .in_channels = 8, .out_channels = 8});
  store.allocate(context, 3);
  const Tensor x = ramp(context, {1, 5, 5, 8}, -1, 0.01f);
  x.set_requires_gradient(true);
  Tape tape(context, true);
  store.bind_gradients(tape, false);
  Tensor y = layers[0].forward(tape, x, /*relu=*/!apart);
  if (apart) y = ops::relu(tape, y);
  const Tensor z = use(tape, layers[1], layers[2], y), dx = ramp(context, x.shape(), 0, 0);
  tape.gradients().give(z, ramp(context, z.shape(), -1, 0.01f));
  tape.gradients().bind(x, dx, false);
  QueueProfile profile;
  context.queue.set_profile(&profile);
  tape.backward();
  context.queue.set_profile(nullptr);
  AroundRelu result{{dx.to_host<float>()}};
  for (const ConvLayer& layer : layers) result.gradients.push_back(layer.weight().gradient.to_host<float>());
  for (const auto& [key, entry] : profile.entries)
    if (key.name == "relu_backward") result.masks += entry.calls;
  return result;
}

}  // namespace

TEST_CASE("a gradient is masked once all have added to it, whoever of the next layers masks it", "[autograd]") {
  const auto agree = [](const Use& use, int masks = 0) {
    const AroundRelu within = gradients_around_a_relu(false, use), apart = gradients_around_a_relu(true, use);
    CHECK(within.gradients == apart.gradients);  // to the bit: the order of sums is the same
    CHECK(std::count(within.gradients[0].begin(), within.gradients[0].end(), 0.f) < 100);
    CHECK(within.masks == masks);
  };
  // One layer; two, of which the first is the last to write; a block's shortcut.
  agree([](Tape& t, ConvLayer& a, ConvLayer&, const Tensor& y) { return a.forward(t, y, false); });
  agree([](Tape& t, ConvLayer& a, ConvLayer& b, const Tensor& y) {
    const Tensor first = a.forward(t, y, false);
    return b.forward(t, y, false, first);
  });
  agree(
      [](Tape& t, ConvLayer& a, ConvLayer& b, const Tensor& y) { return b.forward(t, a.forward(t, y, true), true, y); },
      1);  // of b's own
  // Something else than a layer uses it first, and so is the last to write, or to give.
  agree(
      [](Tape& t, ConvLayer& a, ConvLayer&, const Tensor& y) {
        const Tensor pooled = ops::max_pool(t, y, ops::kPaddedPool);
        return ops::upsample_add(t, a.forward(t, y, false), pooled);
      },
      1);
  agree(
      [](Tape& t, ConvLayer& a, ConvLayer&, const Tensor& y) {
        const Tensor other = ops::upsample_add(t, y, ramp(t.context(), {1, 1, 1, 8}, 0, 1));
        return ops::upsample_add(t, a.forward(t, y, false), other);
      },
      1);
  // What the first layer made is not used, so that its backward does not run.
  agree(
      [](Tape& t, ConvLayer& a, ConvLayer& b, const Tensor& y) {
        a.forward(t, y, false);
        return b.forward(t, y, false);
      },
      1);
}

TEST_CASE("the bias gradients of a head's levels are summed in one launch, before the next mark", "[autograd]") {
  Context context;
  ParameterStore store;
  ConvLayer layer(store, {.name = "layer", .in_channels = 8, .out_channels = 8, .bias = true});
  store.allocate(context, 3);
  Tape tape(context, true);
  store.bind_gradients(tape, false);
  tape.mark("part");
  test::Reference expected(8);
  for (const int size : {9, 5, 3}) {
    const Tensor y = layer.forward(tape, ramp(context, {1, size, size, 8}, -1, 0.01f), /*relu=*/true);
    tape.gradients().give(y, ramp(context, y.shape(), -1, 0.01f));
    const auto outputs = y.to_host<float>(), slopes = tape.gradients().of(y).to_host<float>();
    for (size_t i = 0; i < outputs.size(); ++i)
      if (outputs[i] > 0) expected.add(static_cast<int64_t>(i % 8), slopes[i]);
  }
  std::vector<float> at_mark;
  tape.on_mark([&](const char*) { at_mark = layer.bias()->gradient.to_host<float>(); });
  QueueProfile profile;
  context.queue.set_profile(&profile);
  tape.backward();
  context.queue.set_profile(nullptr);
  CHECK_CLOSE(at_mark, expected, 17);  // 16 rows in fp32, then fp64
  int64_t folds = 0;
  for (const auto& [key, entry] : profile.entries)
    if (key.name == "fold_bias_sums") folds += entry.calls;
  CHECK(folds == 1);
}

TEST_CASE("branches of a fork run back before what stands before them, each from its end", "[autograd]") {
  Context context;
  const Tensor x = ramp(context, {1, 2, 2, 2}, -3, 1);  // -3 … 4
  x.set_requires_gradient(true);
  Tape tape(context, true);
  const Tensor entered[2] = {ops::relu(tape, x), ops::relu(tape, x)};
  Tensor left[2];
  tape.fork(2, [&](int branch) {
    const Tensor& in = entered[branch];
    left[branch] = ops::add_relu(tape, in, in);
    if (branch == 1) left[branch] = ops::add_relu(tape, left[branch], in);
  });
  CHECK(left[0].to_host<float>() == std::vector<float>{0, 0, 0, 0, 2, 4, 6, 8});
  CHECK(left[1].to_host<float>() == std::vector<float>{0, 0, 0, 0, 3, 6, 9, 12});
  tape.gradients().give(left[0], ramp(context, x.shape(), 1, 0));
  tape.gradients().give(left[1], ramp(context, x.shape(), 10, 0));
  const Tensor dx = ramp(context, x.shape(), 0, 0);
  tape.gradients().bind(x, dx, false);
  tape.backward();
  CHECK(dx.to_host<float>() == std::vector<float>{0, 0, 0, 0, 32, 32, 32, 32});
  CHECK_THROWS(tape.fork(2, [&](int) { tape.mark("part"); }));
}
