#include "kernels/average_pool.h"

#include "tests/support/pointwise_oracle.h"
#include "tests/support/seeded.h"
#include "tests/support/tolerance.h"

using namespace fovea;
using namespace fovea::test;

namespace {

const auto kShapes =
    std::vector<kernels::AveragePoolShape>{{1, 1, 1, 8}, {2, 1, 5, 3}, {1, 2, 2, 16}, {2, 7, 6, 5}, {1, 9, 12, 72}};

// The average over a window of three by three, from the definition.
Reference averages(const kernels::AveragePoolShape& s, const std::vector<double>& x,
                   const std::vector<double>& before) {
  Reference y = reference_of(x.size(), [&](size_t i) { return before.empty() ? 0 : before[i]; });
  const auto at = [&](int n, int h, int w, int c) {
    return ((size_t(n) * s.height + h) * s.width + w) * s.channels + c;
  };
  for (int n = 0; n < s.batch; ++n)
    for (int p = 0; p < s.height; ++p)
      for (int q = 0; q < s.width; ++q)
        for (int c = 0; c < s.channels; ++c)
          for (int h = std::max(0, p - 1); h <= std::min(s.height - 1, p + 1); ++h)
            for (int w = std::max(0, q - 1); w <= std::min(s.width - 1, q + 1); ++w)
              y.add(at(n, p, q, c), x[at(n, h, w, c)] / 9);
  return y;
}

}  // namespace

TEMPLATE_TEST_CASE("average pooling agrees with its definition, and adds to what is there", "[average_pool]", float,
                   bfloat16) {
  using T = TestType;
  const auto shape = GENERATE(from_range(kShapes));
  CAPTURE(shape.batch, shape.height, shape.width, shape.channels);
  const size_t n = shape.count();
  const auto input = seeded_uniform<T>(n, 1), before = seeded_uniform<T>(n, 2);
  const std::vector<double> x(input.begin(), input.end()), sum(before.begin(), before.end());
  for_each_way_to_run([&](Queue& queue) {
    Guarded<T> in(input), y(n), into(before);
    kernels::average_pool<T>(queue, shape, in.data(), y.data(), false);
    CHECK_CLOSE(y.values(), averages(shape, x, {}), 9);  // eight additions and a quotient
    kernels::average_pool<T>(queue, shape, in.data(), into.data(), true);
    CHECK_CLOSE(into.values(), averages(shape, x, sum), 10);
  });
}

// dx is the gradient of <dy, y>: for linear maps <dy, A x> = <A^T dy, x>, and A is its own transpose.
TEST_CASE("average pooling is its own backward pass", "[average_pool]") {
  const kernels::AveragePoolShape shape{2, 5, 4, 3};
  const size_t n = shape.count();
  const auto x = seeded_uniform<float>(n, 1), dy = seeded_uniform<float>(n, 2);
  TestQueue queue;
  Guarded<float> in(x), y(n), given(dy), dx(n);
  kernels::average_pool<float>(queue, shape, in.data(), y.data(), false);
  kernels::average_pool<float>(queue, shape, given.data(), dx.data(), false);
  double forward = 0, backward = 0;
  for (size_t i = 0; i < n; ++i) forward += double{dy[i]} * y.values()[i], backward += double{dx.values()[i]} * x[i];
  CHECK(forward == Approx(backward).margin(static_cast<double>(n) * 9 * 0x1p-24));  // values below 1, nine roundings
}

TEST_CASE("average pooling of no images does nothing", "[average_pool]") {
  TestQueue queue;
  const auto before = seeded_uniform<float>(4 * 4 * 8, 1);  // of an image, which is not one of these none
  Guarded<float> y(before);
  CHECK_NOTHROW(kernels::average_pool<float>(queue, {0, 4, 4, 8}, nullptr, y.data(), false));
  CHECK(y.values() == before);
}
