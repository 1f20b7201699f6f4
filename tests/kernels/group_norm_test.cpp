#include "kernels/group_norm.h"

#include "tests/support/norm_input.h"
#include "tests/support/pointwise_oracle.h"
#include "tests/support/seeded.h"
#include "tests/support/threads.h"

using namespace fovea;
using namespace fovea::test;

namespace {

const auto kShapes = std::vector<kernels::GroupNormShape>{{1, 1, 8, 2},     {2, 5, 6, 3},    {3, 49, 16, 4},
                                                          {2, 300, 32, 32}, {1, 520, 64, 1}, {2, 257, 40, 8}};

template <class T>
struct Input : NormInput<T> {
  using NormInput<T>::oracle;

  Input(const kernels::GroupNormShape& s, bool relu)
      : NormInput<T>(size_t(s.images) * s.pixels * s.channels, s.channels, relu) {
    oracle.sets = size_t(s.images) * s.groups;
    oracle.set_of = [s](size_t i) {
      const size_t image = i / (size_t(s.pixels) * s.channels), c = i % s.channels;
      return image * s.groups + c / (s.channels / s.groups);
    };
    oracle.measure();
  }
};

// Mean, subtraction, invstd, its product with gamma, the product, + beta: one rounding each.
constexpr double kForward = 6;

}  // namespace

TEMPLATE_TEST_CASE("group norm and its gradients agree with their definitions", "[group_norm]", float, bfloat16) {
  using T = TestType;
  const auto shape = GENERATE(from_range(kShapes));
  const bool relu = GENERATE(false, true), accumulate = GENERATE(false, true);
  CAPTURE(shape.images, shape.pixels, shape.channels, shape.groups, relu, accumulate);
  Input<T> in(shape, relu);
  const size_t n = in.x.size(), channels = shape.channels, sets = in.oracle.sets;
  const auto expected = in.oracle.forward();
  std::vector<T> y_values(n);
  std::vector<double> g(n);
  for (size_t i = 0; i < n; ++i) {
    y_values[i] = static_cast<T>(static_cast<float>(expected.ref[i]));
    g[i] = relu ? oracle_relu_gradient(y_values[i], in.dy[i]) : static_cast<double>(in.dy[i]);
  }
  auto gradients = in.oracle.backward(g);
  const auto before = seeded_uniform<T>(n, 9);
  if (accumulate) {
    for (size_t i = 0; i < n; ++i) gradients.dx.add(i, before[i]);
    for (size_t k = 0; k < channels; ++k) gradients.dgamma.add(k, in.gamma[k]);
    for (size_t k = 0; k < channels; ++k) gradients.dbeta.add(k, in.beta[k]);
  }
  for_each_way_to_run([&](Queue& queue) {
    Guarded<T> x(in.x), dy(in.dy), y(n), given_y(y_values), dx(before);
    Guarded<float> gamma(in.gamma), beta(in.beta), mean(sets), invstd(sets), dgamma(in.gamma), dbeta(in.beta);
    kernels::group_norm_forward<T>(queue, {.shape = shape,
                                           .x = x.data(),
                                           .gamma = gamma.data(),
                                           .beta = beta.data(),
                                           .relu = relu,
                                           .y = y.data(),
                                           .saved_mean = mean.data(),
                                           .saved_invstd = invstd.data()});
    CHECK_CLOSE(y.values(), expected, kForward);
    // In fp64 but for the last rounding.
    CHECK_CLOSE(mean.values(), reference_of(sets, [&](size_t s) { return in.oracle.mean[s]; }), 0.01);
    CHECK_CLOSE(invstd.values(),
                reference_of(sets, [&](size_t s) { return 1 / std::sqrt(in.oracle.var[s] + in.oracle.eps); }), 0.01);
    kernels::group_norm_backward<T>(queue, {.shape = shape,
                                            .x = x.data(),
                                            .y = relu ? given_y.data() : nullptr,
                                            .dy = dy.data(),
                                            .gamma = gamma.data(),
                                            .saved_mean = mean.data(),
                                            .saved_invstd = invstd.data(),
                                            .dx = dx.data(),
                                            .accumulate_dx = accumulate,
                                            .dgamma = dgamma.data(),
                                            .dbeta = dbeta.data(),
                                            .accumulate_parameters = accumulate});
    CHECK_CLOSE(dx.values(), gradients.dx, kNormBackwardRoundings);
    CHECK_CLOSE(dgamma.values(), gradients.dgamma, kNormBackwardRoundings);
    CHECK_CLOSE(dbeta.values(), gradients.dbeta, kNormBackwardRoundings);
  });
}

TEST_CASE("determinism: group norm has the same bits for any number of threads", "[group_norm]") {
  const kernels::GroupNormShape shape{2, 2000, 24, 4};
  Input<float> in(shape, true);
  check_same_bits_for_any_thread_count([&] {
    TestQueue queue;
    std::vector<float> out(in.x.size()), mean(8), invstd(8), dgamma(24), dbeta(24), dx(in.x.size());
    kernels::group_norm_forward<float>(queue, {.shape = shape,
                                               .x = in.x.data(),
                                               .gamma = in.gamma.data(),
                                               .beta = in.beta.data(),
                                               .relu = true,
                                               .y = out.data(),
                                               .saved_mean = mean.data(),
                                               .saved_invstd = invstd.data()});
    kernels::group_norm_backward<float>(queue, {.shape = shape,
                                                .x = in.x.data(),
                                                .y = out.data(),
                                                .dy = in.dy.data(),
                                                .gamma = in.gamma.data(),
                                                .saved_mean = mean.data(),
                                                .saved_invstd = invstd.data(),
                                                .dx = dx.data(),
                                                .dgamma = dgamma.data(),
                                                .dbeta = dbeta.data()});
    for (const auto* more : {&dx, &dgamma, &dbeta}) out.insert(out.end(), more->begin(), more->end());
    return out;
  });
}

TEST_CASE("group norm refuses channels that its groups do not divide", "[group_norm][fault]") {
  TestQueue queue;
  CHECK_THROWS_WITH(kernels::group_norm_forward<float>(queue, {.shape = {1, 4, 10, 4}}), Catch::Contains("multiple"));
}
