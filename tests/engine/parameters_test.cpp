#include "engine/parameters.h"

#include <omp.h>

#include <cmath>

#include "engine/autograd.h"
#include "engine/random.h"
#include "kernels/hash.h"
#include "tests/support/catch.h"

using namespace fovea;

TEST_CASE("parameters that a step does not use get a gradient of zero", "[parameters]") {
  Context context;
  ParameterStore store;
  Parameter& used = store.add("used", {2}, ParameterRole::Bias, true, Initializer::constant(1));
  Parameter& unused = store.add("unused", {3}, ParameterRole::Bias, true, Initializer::constant(1));
  store.allocate(context, 0);
  unused.gradient.upload(std::vector<float>{7, 7, 7});
  Tape tape(context, true);
  store.bind_gradients(tape, false);
  tape.gradients().into(used.value).gradient.upload(std::vector<float>{5, 6});
  tape.backward();
  CHECK(used.gradient.to_host<float>() == std::vector<float>{5, 6});
  CHECK(unused.gradient.to_host<float>() == std::vector<float>{0, 0, 0});
}

TEST_CASE("determinism: initial values follow from seed and name, with the spread of their initializer",
          "[parameters]") {
  const auto values = [](uint64_t seed, bool other_first) {
    Context context;
    ParameterStore store;
    if (other_first) store.add("other", {5}, ParameterRole::Bias, true, Initializer::normal(1));
    Parameter& w = store.add("w", {64, 3, 3, 32}, ParameterRole::ConvWeight, true, Initializer::kaiming_fan_out());
    store.allocate(context, seed);
    return w.value.to_host<float>();
  };
  const auto a = values(1, false);
  CHECK(a == values(1, true));
  CHECK(a != values(2, false));
  double squares = 0;
  for (const float v : a) squares += double{v} * v;
  const double variance = squares / static_cast<double>(a.size()), expected = 2.0 / (64 * 9);
  CHECK(std::abs(variance / expected - 1) <
        5 * std::sqrt(2.0 / static_cast<double>(a.size())));  // five standard errors
}

TEST_CASE("determinism: initial values are those of one stream, drawn by any number of threads", "[parameters]") {
  const Shape shape{64, 3, 3, 33};  // in chunks, the last of them shorter
  const auto initializer = GENERATE(Initializer::normal(0.5F), Initializer::kaiming_uniform());
  Random random(5, stream::kInitialize, fnv1a_32("w"));
  std::vector<float> expected(static_cast<size_t>(shape.count()));
  for (float& value : expected)
    value = static_cast<float>(initializer.kind == Initializer::Kind::Normal
                                   ? initializer.a * random.normal()
                                   : std::sqrt(3.0 / (33 * 9)) * (2 * random.uniform() - 1));
  const int threads = omp_get_max_threads();
  for (const int used : {1, 3}) {
    omp_set_num_threads(used);
    Context context;
    ParameterStore store;
    const Parameter& w = store.add("w", shape, ParameterRole::ConvWeight, true, initializer);
    store.allocate(context, 5);
    CHECK(w.value.to_host<float>() == expected);
  }
  omp_set_num_threads(threads);
}

TEST_CASE("without a seed parameters are zero", "[parameters]") {
  Context context;
  ParameterStore store;
  const Parameter& w = store.add("w", {3}, ParameterRole::NormScale, true, Initializer::constant(1));
  store.allocate(context, std::nullopt);
  CHECK(w.value.to_host<float>() == std::vector<float>{0, 0, 0});
}
