// What shows within seconds whether a GPU can be used at all (scripts/gpu_check): convolution in its three directions,
// of a layer that has the fastest kernels.
#include "kernels/conv/conv.h"
#include "tests/support/catch.h"
#include "tests/support/conv_oracle.h"
#include "tests/support/seeded.h"

using namespace fovea;
using namespace fovea::test;
using kernels::Convolution;
using kernels::ConvShape;
using oracle::Values;

TEST_CASE("smoke: a convolution in bf16 agrees with its definition in all directions", "[conv][smoke]") {
  const ConvShape s{2, 16, 16, 64, 64, 3, 3, 1, 1, 1};
  const auto x = seeded_uniform<bfloat16>(s.input_count(), 1), w = seeded_uniform<bfloat16>(s.weight_count(), 2),
             dy = seeded_uniform<bfloat16>(s.output_count(), 3);
  const auto exact = seeded_uniform<bfloat16>(s.out_c, 4);  // a GPU's kernels take the bias in bf16
  const std::vector<float> bias(exact.begin(), exact.end());
  std::vector<bfloat16> y(s.output_count()), dx(s.input_count());
  std::vector<float> dweight(s.weight_count()), dbias(s.out_c);
  TestQueue queue;
  Convolution convolution;
  convolution.forward(queue, s, DType::BF16, {x.data(), {w.data()}, bias.data(), nullptr, /*relu=*/true, y.data()});
  convolution.backward_data(queue, s, DType::BF16, {dy.data(), {w.data()}, nullptr, false, dx.data()});
  convolution.backward_weight(queue, s, DType::BF16, {x.data(), dy.data(), false, dweight.data(), dbias.data()});
  // Roundings on the longest chain: one an addition, whatever the order. On a GPU the weights' gradient is rounded once
  // more, to bf16.
  const double products = 9 * s.in_c + 3, pixels = double(s.batch) * s.out_h() * s.out_w() + 3,
               to_storage = epsilon_of<bfloat16>() / epsilon_of<float>();
  CHECK_CLOSE(y, oracle::conv_forward(s, to_double(x), to_double(w), to_double(bias), {}, true), products);
  CHECK_CLOSE(dx, oracle::conv_backward_data(s, to_double(dy), to_double(w), {}, {}), products);
  CHECK_CLOSE(dweight, oracle::conv_backward_weight(s, to_double(x), to_double(dy), {}), pixels + to_storage);
  CHECK_CLOSE(dbias, oracle::conv_bias_gradient(s, to_double(dy), {}), pixels);
}
