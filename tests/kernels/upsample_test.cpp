#include "kernels/upsample.h"

#include "tests/support/pointwise_oracle.h"
#include "tests/support/seeded.h"
#include "tests/support/spatial_oracle.h"

using namespace fovea;
using namespace fovea::test;

namespace {

// Twice, odd sizes as in a pyramid, ratios that fp32 does not hold, equal sizes, and shrinking.
const auto kShapes = std::vector<kernels::UpsampleShape>{
    {2, 2, 3, 4, 6, 8}, {1, 4, 3, 7, 5, 64}, {1, 13, 7, 25, 14, 72}, {1, 3, 3, 10, 41, 5},
    {2, 3, 2, 3, 2, 7}, {1, 7, 5, 3, 2, 16}, {1, 1, 1, 1, 1, 1},     {1, 6, 49, 13, 97, 8}};

}  // namespace

TEMPLATE_TEST_CASE("upsampling and its gradient agree with their definitions", "[upsample]", float, bfloat16) {
  using T = TestType;
  const auto shape = GENERATE(from_range(kShapes));
  CAPTURE(shape.in_h, shape.in_w, shape.out_h, shape.out_w, shape.channels);
  const size_t n_in = size_t(shape.batch) * shape.in_h * shape.in_w * shape.channels;
  const auto from = oracle_upsample_source(shape);
  const size_t n_out = from.size();
  const auto input = seeded_uniform<T>(n_in, 1), side = seeded_uniform<T>(n_out, 2),
             before = seeded_uniform<T>(n_in, 3);
  Reference expected(n_out), gradient(n_in), gradient_into = reference_of(n_in, [&](size_t i) { return before[i]; });
  for (size_t i = 0; i < n_out; ++i) {
    expected.add(i, input[from[i]]);
    expected.add(i, side[i]);
    gradient.add(from[i], side[i]);
    gradient_into.add(from[i], side[i]);
  }
  // Additions into one coarse pixel: at most the pixels that it was copied to.
  const double copies = (shape.out_h / shape.in_h + 1.0) * (shape.out_w / shape.in_w + 1.0);
  for_each_way_to_run([&](Queue& queue) {
    Guarded<T> coarse(input), lateral(side), y(n_out), dcoarse(n_in), into(before);
    kernels::upsample_add<T>(queue, shape, coarse.data(), nullptr, y.data());
    CHECK_CLOSE(y.values(), reference_of(n_out, [&](size_t i) { return input[from[i]]; }), 0);
    kernels::upsample_backward(queue, shape, lateral.data(), dcoarse.data(), false);
    CHECK_CLOSE(dcoarse.values(), gradient, copies);
    kernels::upsample_backward(queue, shape, lateral.data(), into.data(), true);
    CHECK_CLOSE(into.values(), gradient_into, copies + 1);
    kernels::upsample_add(queue, shape, coarse.data(), lateral.data(), lateral.data());  // in place
    CHECK_CLOSE(lateral.values(), expected, 1);
  });
}
