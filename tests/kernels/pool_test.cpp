#include "kernels/pool.h"

#include <limits>

#include "tests/support/pointwise_oracle.h"
#include "tests/support/seeded.h"
#include "tests/support/spatial_oracle.h"

using namespace fovea;
using namespace fovea::test;

namespace {

const auto kShapes = std::vector<kernels::PoolShape>{{1, 1, 1, 8, 3},     {2, 2, 3, 5, 3},     {1, 5, 4, 16, 3},
                                                     {1, 9, 12, 72, 3},   {2, 8, 7, 64, 3},    {1, 6, 5, 24, 2, 0},
                                                     {2, 9, 8, 24, 3, 0}, {1, 3, 3, 16, 3, 0}, {1, 7, 9, 5, 2, 0}};

// Few different values, so that windows hold equal ones; a NaN and both infinities.
template <class T>
std::vector<T> values_with_ties(size_t n) {
  auto values = seeded_uniform<T>(n, 1, -3.f, 3.f);
  for (T& v : values) v = static_cast<T>(std::round(static_cast<float>(v)));
  if (n > 40) {
    values[17] = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
    values[30] = static_cast<T>(std::numeric_limits<float>::infinity());
  }
  return values;
}

}  // namespace

TEMPLATE_TEST_CASE("max pooling and its gradient agree with their definitions", "[pool]", float, bfloat16) {
  using T = TestType;
  const auto shape = GENERATE(from_range(kShapes));
  CAPTURE(shape.batch, shape.in_h, shape.in_w, shape.channels, shape.kernel);
  const size_t n_in = shape.input_count(), n_out = shape.output_count();
  const auto input = values_with_ties<T>(n_in), gradient = seeded_uniform<T>(n_out, 2),
             before = seeded_uniform<T>(n_in, 3);
  const auto expected = oracle_max_pool(shape, std::vector<double>(input.begin(), input.end()));
  Reference dx(n_in), dx_into = reference_of(n_in, [&](size_t i) { return before[i]; });
  for (size_t o = 0; o < n_out; ++o) dx.add(expected.from[o], gradient[o]);
  for (size_t o = 0; o < n_out; ++o) dx_into.add(expected.from[o], gradient[o]);
  for_each_way_to_run([&](Queue& queue) {
    Guarded<T> x(input), y(n_out), dy(gradient), out(n_in), into(before);
    Guarded<uint8_t> argmax(n_out);
    kernels::max_pool_forward<T>(queue, shape, x.data(), y.data(), nullptr);
    CHECK_CLOSE(y.values(), reference_of(n_out, [&](size_t i) { return expected.y[i]; }), 0);
    kernels::max_pool_forward(queue, shape, x.data(), y.data(), argmax.data());
    CHECK_CLOSE(y.values(), reference_of(n_out, [&](size_t i) { return expected.y[i]; }), 0);
    kernels::max_pool_backward(queue, shape, argmax.data(), dy.data(), out.data(), false);
    CHECK_CLOSE(out.values(), dx, 3);  // at most four windows hold a pixel: three additions
    kernels::max_pool_backward(queue, shape, argmax.data(), dy.data(), into.data(), true);
    CHECK_CLOSE(into.values(), dx_into, 4);
  });
}

TEST_CASE("max pooling of no images does nothing", "[pool]") {
  TestQueue queue;
  kernels::max_pool_forward<float>(queue, {0, 4, 4, 8, 3}, nullptr, nullptr, nullptr);
  CHECK_THROWS_WITH(kernels::max_pool_forward<float>(queue, {1, 4, 4, 8, 5}, nullptr, nullptr, nullptr),
                    Catch::Contains("kernel"));
}
