#include "engine/optimizer.h"

#include <cmath>

#include "tests/support/catch.h"

using namespace fovea;

TEST_CASE("fault: a gradient that is not finite changes nothing, and the optimizer tells", "[optimizer][fault]") {
  Context context;
  ParameterStore store;
  Parameter& p = store.add("p", {3}, ParameterRole::Bias, true, Initializer::constant(1));
  store.allocate(context, 0);
  const auto kind = GENERATE(OptimizerConfig::Kind::Sgd, OptimizerConfig::Kind::AdamW);
  Optimizer optimizer(context, store, {.kind = kind, .weight_decay = 0});
  optimizer.set_learning_rate(0.5);
  p.gradient.upload(std::vector<float>{1, NAN, 1});
  optimizer.step();
  CHECK(optimizer.skipped());
  CHECK(p.value.to_host<float>() == std::vector<float>{1, 1, 1});
  p.gradient.upload(std::vector<float>{1, 2, 2});
  optimizer.step();
  CHECK_FALSE(optimizer.skipped());
  CHECK(optimizer.gradient_norm() == 3);
  CHECK(p.value.to_host<float>()[0] == Approx(0.5).epsilon(1e-6));
  optimizer.step({Tensor::from<float>(context.memory, {1}, {INFINITY})});  // nor a loss
  CHECK(optimizer.skipped());
  optimizer.set_non_finite_limit(1);  // two were
  optimizer.step();
  CHECK(optimizer.skipped());
}

TEST_CASE("the moving average follows the weights and changes places with them", "[optimizer]") {
  Context context;
  ParameterStore store;
  Parameter& p = store.add("p", {1}, ParameterRole::Bias, true, Initializer::constant(4));
  store.allocate(context, 0);
  Optimizer optimizer(context, store, {.momentum = 0, .weight_decay = 0, .ema_decay = 0.75});
  optimizer.set_learning_rate(1);
  p.gradient.upload(std::vector<float>{2});
  optimizer.step();  // 4 → 2, average 4 − 0.25·2
  const auto value = [&] { return p.value.to_host<float>()[0]; };
  CHECK(value() == 2);
  const uint64_t revision = store.revision();
  optimizer.swap_average();
  CHECK(value() == 3.5f);
  CHECK(store.revision() != revision);
  optimizer.swap_average();
  CHECK(value() == 2);
  REQUIRE(optimizer.state().size() == 1);
  CHECK(optimizer.state()[0].name == std::string("ema"));
  optimizer.restart_average();
  optimizer.swap_average();
  CHECK(value() == 2);
}
