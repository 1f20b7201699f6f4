#include "kernels/batch_norm.h"

#include "tests/support/norm_input.h"
#include "tests/support/pointwise_oracle.h"
#include "tests/support/seeded.h"
#include "tests/support/threads.h"

using namespace fovea;
using namespace fovea::test;

namespace {

struct Case {
  size_t rows, channels;
  bool relu, add;
};

template <class T>
struct Input : NormInput<T> {
  using NormInput<T>::oracle;
  std::vector<T> add;
  std::vector<float> mean, var;

  explicit Input(const Case& c)
      : NormInput<T>(c.rows * c.channels, c.channels, c.relu),
        add(seeded_uniform<T>(c.rows * c.channels, 2)),
        mean(seeded_uniform<float>(c.channels, 6)),
        var(seeded_uniform<float>(c.channels, 7, 0.1f, 3)) {
    oracle.sets = c.channels;
    oracle.set_of = [channels = c.channels](size_t i) { return i % channels; };
    if (c.add) oracle.add = to_double(add);
    oracle.measure();
  }
};

const auto kCases = std::vector<Case>{{2, 1, false, false},   {3, 7, true, false},   {64, 8, true, true},
                                      {257, 16, false, true}, {700, 65, true, true}, {1030, 256, true, false}};

// Mean, subtraction, invstd, its product with gamma, the product, + beta, + add: one rounding each.
constexpr double kForward = 7;

}  // namespace

TEMPLATE_TEST_CASE("batch norm in training agrees with its definition", "[batch_norm]", float, bfloat16) {
  using T = TestType;
  const Case c = GENERATE(from_range(kCases));
  CAPTURE(c.rows, c.channels, c.relu, c.add);
  Input<T> in(c);
  const auto expected = in.oracle.forward();
  const double n = static_cast<double>(c.rows), momentum = 0.1f;
  for_each_way_to_run([&](Queue& queue) {
    Guarded<T> x(in.x), add(in.add), y(in.x.size());
    Guarded<float> gamma(in.gamma), beta(in.beta), mean(in.mean), var(in.var), saved_mean(c.channels),
        saved_invstd(c.channels);
    kernels::batch_norm_train_forward<T>(queue, {.rows = static_cast<int64_t>(c.rows),
                                                 .channels = static_cast<int>(c.channels),
                                                 .x = x.data(),
                                                 .add = c.add ? add.data() : nullptr,
                                                 .gamma = gamma.data(),
                                                 .beta = beta.data(),
                                                 .running_mean = mean.data(),
                                                 .running_var = var.data(),
                                                 .saved_mean = saved_mean.data(),
                                                 .saved_invstd = saved_invstd.data(),
                                                 .relu = c.relu,
                                                 .y = y.data()});
    CHECK_CLOSE(y.values(), expected, kForward);
    // In fp64 but for the last rounding.
    CHECK_CLOSE(saved_mean.values(), reference_of(c.channels, [&](size_t k) { return in.oracle.mean[k]; }), 0.01);
    CHECK_CLOSE(saved_invstd.values(),
                reference_of(c.channels, [&](size_t k) { return 1 / std::sqrt(in.oracle.var[k] + in.oracle.eps); }),
                0.01);
    CHECK_CLOSE(
        mean.values(),
        reference_of(c.channels, [&](size_t k) { return (1 - momentum) * in.mean[k] + momentum * in.oracle.mean[k]; }),
        0.01);
    CHECK_CLOSE(
        var.values(),
        reference_of(c.channels,
                     [&](size_t k) { return (1 - momentum) * in.var[k] + momentum * in.oracle.var[k] * n / (n - 1); }),
        0.01);

    // With the same statistics given, eval does the same.
    std::vector<float> measured_var(c.channels);
    for (size_t k = 0; k < c.channels; ++k) measured_var[k] = static_cast<float>(in.oracle.var[k]);
    Guarded<float> given(measured_var);
    kernels::batch_norm_eval<T>(queue, {.rows = static_cast<int64_t>(c.rows),
                                        .channels = static_cast<int>(c.channels),
                                        .x = x.data(),
                                        .add = c.add ? add.data() : nullptr,
                                        .gamma = gamma.data(),
                                        .beta = beta.data(),
                                        .running_mean = saved_mean.data(),
                                        .running_var = given.data(),
                                        .relu = c.relu,
                                        .y = y.data()});
    CHECK_CLOSE(y.values(), expected, kForward + 3);  // + var's rounding, + eps, square root instead of a stored value
  });
}

TEMPLATE_TEST_CASE("batch norm's gradients agree with their definition", "[batch_norm]", float, bfloat16) {
  using T = TestType;
  const Case c = GENERATE(from_range(kCases));
  const bool accumulate = GENERATE(false, true);
  CAPTURE(c.rows, c.channels, c.relu, c.add, accumulate);
  Input<T> in(c);
  const size_t n = in.x.size();
  const auto forward = in.oracle.forward();
  std::vector<T> y_values(n);
  std::vector<double> g(n);
  for (size_t i = 0; i < n; ++i) {
    y_values[i] = static_cast<T>(static_cast<float>(forward.ref[i]));
    g[i] = c.relu ? oracle_relu_gradient(y_values[i], in.dy[i]) : static_cast<double>(in.dy[i]);
  }
  auto expected = in.oracle.backward(g);
  auto expected_add = reference_of(n, [&](size_t i) { return g[i]; });
  const auto before = seeded_uniform<T>(n, 9), add_before = seeded_uniform<T>(n, 10);
  if (accumulate) {
    for (size_t i = 0; i < n; ++i) expected.dx.add(i, before[i]);
    for (size_t i = 0; i < n; ++i) expected_add.add(i, add_before[i]);
    for (size_t k = 0; k < c.channels; ++k) expected.dgamma.add(k, in.gamma[k]);
    for (size_t k = 0; k < c.channels; ++k) expected.dbeta.add(k, in.beta[k]);
  }
  std::vector<float> mean(c.channels), invstd(c.channels);
  for (size_t k = 0; k < c.channels; ++k) {
    mean[k] = static_cast<float>(in.oracle.mean[k]);
    invstd[k] = static_cast<float>(1 / std::sqrt(in.oracle.var[k] + in.oracle.eps));
  }
  for_each_way_to_run([&](Queue& queue) {
    Guarded<T> x(in.x), y(y_values), dy(in.dy), dx(before), dadd(add_before);
    Guarded<float> gamma(in.gamma), saved_mean(mean), saved_invstd(invstd), dgamma(in.gamma), dbeta(in.beta);
    kernels::batch_norm_train_backward<T>(queue, {.rows = static_cast<int64_t>(c.rows),
                                                  .channels = static_cast<int>(c.channels),
                                                  .x = x.data(),
                                                  .y = c.relu ? y.data() : nullptr,
                                                  .dy = dy.data(),
                                                  .gamma = gamma.data(),
                                                  .saved_mean = saved_mean.data(),
                                                  .saved_invstd = saved_invstd.data(),
                                                  .dx = dx.data(),
                                                  .accumulate_dx = accumulate,
                                                  .dadd = c.add ? dadd.data() : nullptr,
                                                  .accumulate_dadd = accumulate,
                                                  .dgamma = dgamma.data(),
                                                  .dbeta = dbeta.data(),
                                                  .accumulate_parameters = accumulate});
    CHECK_CLOSE(dx.values(), expected.dx, kNormBackwardRoundings);
    CHECK_CLOSE(dgamma.values(), expected.dgamma, kNormBackwardRoundings);
    CHECK_CLOSE(dbeta.values(), expected.dbeta, kNormBackwardRoundings);
    if (c.add) CHECK_CLOSE(dadd.values(), expected_add, 1);
  });
}

// Each half of the rows in its own sums, which are added: what two ranks do.
TEMPLATE_TEST_CASE("batch norm over the rows of two ranks is that of all rows, in both directions", "[batch_norm]",
                   float, bfloat16) {
  using T = TestType;
  const Case c = GENERATE(Case{64, 8, true, true}, Case{700, 65, false, true}, Case{1030, 16, true, false});
  CAPTURE(c.rows, c.channels, c.relu, c.add);
  Input<T> in(c);
  const auto forward = in.oracle.forward();
  const size_t n = in.x.size();
  const int64_t half = static_cast<int64_t>(c.rows / 2), first[] = {0, half * static_cast<int64_t>(c.channels)};
  const int channels = static_cast<int>(c.channels);
  for_each_way_to_run([&](Queue& queue) {
    Guarded<T> x(in.x), add(in.add), y(n), dy(in.dy), dx(n), dadd(n);
    Guarded<float> gamma(in.gamma), beta(in.beta), mean(in.mean), var(in.var), saved_mean(c.channels),
        saved_invstd(c.channels), dgamma(std::vector<float>(c.channels)), dbeta(std::vector<float>(c.channels));
    Guarded<double> sums(2 * c.channels), others(2 * c.channels);
    const auto add_others = [&] {
      queue.synchronize("the test adds");
      for (size_t i = 0; i < 2 * c.channels; ++i) sums.data()[i] += others.data()[i];
    };
    const auto forward_of = [&](int rank) {
      return kernels::BatchNormForward<T>{.rows = half,
                                          .channels = channels,
                                          .x = x.data() + first[rank],
                                          .add = c.add ? add.data() + first[rank] : nullptr,
                                          .gamma = gamma.data(),
                                          .beta = beta.data(),
                                          .running_mean = mean.data(),
                                          .running_var = var.data(),
                                          .saved_mean = saved_mean.data(),
                                          .saved_invstd = saved_invstd.data(),
                                          .relu = c.relu,
                                          .y = y.data() + first[rank]};
    };
    kernels::batch_norm_sums(queue, forward_of(0), sums.data());
    kernels::batch_norm_sums(queue, forward_of(1), others.data());
    add_others();
    for (const int rank : {0, 1}) kernels::batch_norm_apply(queue, forward_of(rank), sums.data(), 2 * half);
    CHECK_CLOSE(y.values(), forward, kForward);

    const auto backward_of = [&](int rank) {
      return kernels::BatchNormBackward<T>{.rows = half,
                                           .channels = channels,
                                           .x = x.data() + first[rank],
                                           .y = c.relu ? y.data() + first[rank] : nullptr,
                                           .dy = dy.data() + first[rank],
                                           .gamma = gamma.data(),
                                           .saved_mean = saved_mean.data(),
                                           .saved_invstd = saved_invstd.data(),
                                           .dx = dx.data() + first[rank],
                                           .dadd = c.add ? dadd.data() + first[rank] : nullptr,
                                           .dgamma = dgamma.data(),
                                           .dbeta = dbeta.data(),
                                           .accumulate_parameters = true};
    };
    std::vector<double> g(n);
    const auto y_values = y.values();
    for (size_t i = 0; i < n; ++i)
      g[i] = c.relu ? oracle_relu_gradient(y_values[i], in.dy[i]) : static_cast<double>(in.dy[i]);
    const auto expected = in.oracle.backward(g);
    kernels::batch_norm_backward_sums(queue, backward_of(0), sums.data());
    kernels::batch_norm_backward_sums(queue, backward_of(1), others.data());
    add_others();
    for (const int rank : {0, 1}) kernels::batch_norm_backward_apply(queue, backward_of(rank), sums.data(), 2 * half);
    CHECK_CLOSE(dx.values(), expected.dx, kNormBackwardRoundings);
    CHECK_CLOSE(dgamma.values(), expected.dgamma, kNormBackwardRoundings);
    CHECK_CLOSE(dbeta.values(), expected.dbeta, kNormBackwardRoundings);
    if (c.add) CHECK_CLOSE(dadd.values(), reference_of(n, [&](size_t i) { return g[i]; }), 1);
  });
}

TEST_CASE("the oracle's norm gradients are the slopes of its forward pass", "[batch_norm][oracle]") {
  Input<float> in({5, 3, false, false});
  const auto weights = to_double(seeded_uniform<float>(15, 20));
  const auto loss = [&](NormOracle oracle) {
    oracle.measure();
    const auto y = oracle.forward();
    double total = 0;
    for (size_t i = 0; i < weights.size(); ++i) total += weights[i] * y.ref[i];
    return total;
  };
  const auto slope = [&](std::vector<double> NormOracle::* values, size_t i) {
    NormOracle up = in.oracle, down = in.oracle;
    (up.*values)[i] += 1e-5;
    (down.*values)[i] -= 1e-5;
    return (loss(up) - loss(down)) / 2e-5;
  };
  const auto gradients = in.oracle.backward(weights);
  for (size_t i = 0; i < 15; ++i)
    CHECK(gradients.dx.ref[i] == Approx(slope(&NormOracle::x, i)).epsilon(1e-6).margin(1e-8));
  for (size_t k = 0; k < 3; ++k) {
    CHECK(gradients.dgamma.ref[k] == Approx(slope(&NormOracle::gamma, k)).epsilon(1e-6));
    CHECK(gradients.dbeta.ref[k] == Approx(slope(&NormOracle::beta, k)).epsilon(1e-6));
  }
}

TEST_CASE("batch norm's variance survives a mean far from zero", "[batch_norm]") {
  const size_t rows = 4000;
  NormOracle oracle;
  auto x = seeded_uniform<float>(rows, 1);
  for (float& v : x) v += 1000;
  x[0] = 0;  // an outlier where a shift might be taken from
  oracle.x = to_double(x);
  oracle.channels = oracle.sets = 1;
  oracle.set_of = [](size_t) { return 0; };
  oracle.measure();
  std::vector<float> ones = {1}, zeros = {0}, mean = {0}, var = {0}, saved_mean(1), saved_invstd(1), y(rows);
  TestQueue queue;
  kernels::batch_norm_train_forward<float>(queue, {.rows = rows,
                                                   .channels = 1,
                                                   .x = x.data(),
                                                   .gamma = ones.data(),
                                                   .beta = zeros.data(),
                                                   .running_mean = mean.data(),
                                                   .running_var = var.data(),
                                                   .saved_mean = saved_mean.data(),
                                                   .saved_invstd = saved_invstd.data(),
                                                   .y = y.data()});
  CHECK(saved_mean[0] == static_cast<float>(oracle.mean[0]));
  CHECK(saved_invstd[0] == Approx(1 / std::sqrt(oracle.var[0] + 1e-5f)).epsilon(1e-7));
}

TEST_CASE("batch norm refuses to train on one value a channel", "[batch_norm][fault]") {
  TestQueue queue;
  CHECK_THROWS_WITH(kernels::batch_norm_train_forward<float>(queue, {.rows = 1, .channels = 4}),
                    Catch::Contains("at least 2"));
}

TEMPLATE_TEST_CASE("a folded norm and its gradient agree with their definitions", "[batch_norm]", float, bfloat16) {
  using T = TestType;
  const size_t channels = GENERATE(1, 5, 64), per_channel = GENERATE(1, 27, 72);
  const bool own_bias = GENERATE(false, true);
  CAPTURE(channels, per_channel, own_bias);
  const size_t n = channels * per_channel;
  const auto w = seeded_uniform<float>(n, 1), dw = seeded_uniform<float>(n, 2), before = seeded_uniform<float>(n, 3);
  const auto b = seeded_uniform<float>(channels, 4), db = seeded_uniform<float>(channels, 5);
  const Input<float> in({2, channels, false, false});
  const auto scale = [&](size_t o) { return in.gamma[o] / std::sqrt(in.var[o] + double{1e-5f}); };
  for_each_way_to_run([&](Queue& queue) {
    Guarded<float> weight(w), gamma(in.gamma), beta(in.beta), mean(in.mean), var(in.var), bias(channels), given(dw),
        sum(before);
    Guarded<float> own(b), bias_alone(channels), given_bias(db), bias_sum(b);
    Guarded<T> folded(n);
    const kernels::BatchNormFold fold{.out_channels = static_cast<int>(channels),
                                      .weights_per_channel = static_cast<int64_t>(per_channel),
                                      .gamma = gamma.data(),
                                      .beta = beta.data(),
                                      .mean = mean.data(),
                                      .var = var.data(),
                                      .bias = own_bias ? own.data() : nullptr};
    kernels::batch_norm_fold(queue, fold, weight.data(), folded.data(), bias.data());
    // var + eps, square root, quotient, product.
    CHECK_CLOSE(folded.values(), reference_of(n, [&](size_t i) { return w[i] * scale(i / per_channel); }), 4);
    Reference expected_bias = reference_of(channels, [&](size_t o) { return in.beta[o]; });
    for (size_t o = 0; o < channels; ++o) expected_bias.add(o, -in.mean[o] * scale(o));
    for (size_t o = 0; o < channels; ++o) expected_bias.add(o, own_bias ? b[o] * scale(o) : 0);
    CHECK_CLOSE(bias.values(), expected_bias, 6);
    kernels::batch_norm_fold_bias(queue, fold, bias_alone.data());
    CHECK(bias_alone.values() == bias.values());

    kernels::batch_norm_fold_backward(queue, fold, given.data(), sum.data(), true);
    Reference expected = reference_of(n, [&](size_t i) { return before[i]; });
    for (size_t i = 0; i < n; ++i) expected.add(i, dw[i] * scale(i / per_channel));
    CHECK_CLOSE(sum.values(), expected, 5);
    kernels::batch_norm_fold_backward(queue, fold, given.data(), given.data(), false);
    CHECK_CLOSE(given.values(), reference_of(n, [&](size_t i) { return dw[i] * scale(i / per_channel); }), 4);

    kernels::batch_norm_fold_bias_backward(queue, fold, given_bias.data(), bias_sum.data(), true);
    Reference expected_sum = reference_of(channels, [&](size_t o) { return b[o]; });
    for (size_t o = 0; o < channels; ++o) expected_sum.add(o, db[o] * scale(o));
    CHECK_CLOSE(bias_sum.values(), expected_sum, 5);
  });
}

TEST_CASE("determinism: batch norm has the same bits for any number of threads", "[batch_norm]") {
  const Case c{3000, 24, true, false};
  Input<float> in(c);
  check_same_bits_for_any_thread_count([&] {
    TestQueue queue;
    std::vector<float> out(in.x.size()), mean = in.mean, var = in.var, saved_mean(24), saved_invstd(24), dgamma(24),
                                         dbeta(24), dx(in.x.size());
    kernels::batch_norm_train_forward<float>(queue, {.rows = 3000,
                                                     .channels = 24,
                                                     .x = in.x.data(),
                                                     .gamma = in.gamma.data(),
                                                     .beta = in.beta.data(),
                                                     .running_mean = mean.data(),
                                                     .running_var = var.data(),
                                                     .saved_mean = saved_mean.data(),
                                                     .saved_invstd = saved_invstd.data(),
                                                     .relu = true,
                                                     .y = out.data()});
    kernels::batch_norm_train_backward<float>(queue, {.rows = 3000,
                                                      .channels = 24,
                                                      .x = in.x.data(),
                                                      .y = out.data(),
                                                      .dy = in.dy.data(),
                                                      .gamma = in.gamma.data(),
                                                      .saved_mean = saved_mean.data(),
                                                      .saved_invstd = saved_invstd.data(),
                                                      .dx = dx.data(),
                                                      .dgamma = dgamma.data(),
                                                      .dbeta = dbeta.data()});
    for (const auto* more : {&dx, &dgamma, &dbeta, &mean, &var}) out.insert(out.end(), more->begin(), more->end());
    return out;
  });
}
