// The bits that a matmul's ReLU leaves (kernels/conv/conv.h: relu_bits), and the data gradients that they mask.
#include "kernels/conv/backend.h"
#include "tests/plans/graph_runtime.h"
#include "tests/plans/matmuls.h"
#include "tests/standin/cublaslt.h"
#include "tests/support/catch.h"
#include "tests/support/scoped.h"

using namespace fovea;
using namespace fovea::test;
using cublaslt::test::executed_matmuls;
using kernels::ConvBackwardData;
using kernels::ConvShape;
using oracle::Values;

TEST_CASE("by plan: the bits that a matmul leaves of its ReLU mask the next layer's data gradient",
          "[plans][cublaslt]") {
  const Matmuls matmuls;
  for (const ConvShape& s : {kShapes[0], kShapes[2], ConvShape{1, 5, 5, 16, 200}})
    for (const bool accumulate : {false, true}) {
      CAPTURE(s.in_c, s.out_c, accumulate);
      Queue queue;
      Guarded<bfloat16> x(seeded_uniform<bfloat16>(s.input_count(), 1)),
          w(seeded_uniform<bfloat16>(s.weight_count(), 2)), y(seeded_uniform<bfloat16>(s.output_count(), 4));
      Guarded<float> bias(exact_bias(s.out_c));
      const auto added = to_double(y.values());
      const size_t bytes = matmuls->relu_bits_bytes(queue, s, DType::BF16, {.bias = true, .add = true}, kSlow);
      REQUIRE(bytes == static_cast<size_t>(pixels(s)) * ((s.out_c + 127) / 128) * 16);  // rows of 128 bits
      Guarded<uint8_t> bits(static_cast<int64_t>(bytes));
      REQUIRE(matmuls->forward(queue, s, DType::BF16,
                               {.x = x.data(),
                                .weights = {w.data()},
                                .bias = bias.data(),
                                .add = y.data(),
                                .relu = true,
                                .y = y.data(),
                                .relu_bits = bits.data()},
                               kSlow));
      CHECK(executed_matmuls.back().epilogue == CUBLASLT_EPILOGUE_RELU_AUX_BIAS);
      CHECK_CLOSE(
          y.values(),
          oracle::conv_forward(s, to_double(x.values()), to_double(w.values()), to_double(bias.values()), added, true),
          s.in_c + 3.0);
      const ConvShape next{s.batch, s.out_h(), s.out_w(), s.out_c, 24};
      Guarded<bfloat16> dy(seeded_uniform<bfloat16>(next.output_count(), 5)),
          v(seeded_uniform<bfloat16>(next.weight_count(), 6)), dx(seeded_uniform<bfloat16>(next.input_count(), 7));
      const auto before = to_double(dx.values());
      const ConvBackwardData gradient{.dy = dy.data(),
                                      .weights = {v.data()},
                                      .relu_mask = y.data(),
                                      .accumulate = accumulate,
                                      .dx = dx.data(),
                                      .relu_bits = bits.data()};
      REQUIRE(matmuls->backward_data(queue, next, DType::BF16, gradient, kSlow));
      CHECK(executed_matmuls.back().epilogue == CUBLASLT_EPILOGUE_DRELU);
      CHECK(executed_matmuls.back().beta == (accumulate ? 1 : 0));
      CHECK_CLOSE(dx.values(),
                  oracle::conv_backward_data(next, to_double(dy.values()), to_double(v.values()), to_double(y.values()),
                                             accumulate ? before : Values{}),
                  next.out_c + 3.0);
    }
  Queue queue;
  CHECK(matmuls->relu_bits_bytes(queue, kShapes[0], DType::F32, {}, kSlow) == 0);
  CHECK(matmuls->relu_bits_bytes(queue, {1, 4, 4, 16, 16, 3, 3, 1, 1}, DType::BF16, {}, kSlow) == 0);
}

TEST_CASE("by plan: where no matmul reads a ReLU's bits its output masks", "[plans][cublaslt]") {
  const auto convolution = kernels::make_cudnn_backend();
  const ConvShape s{2, 9, 7, 24, 40}, next{2, 9, 7, 40, 24};
  Queue queue;
  Guarded<bfloat16> x(seeded_uniform<bfloat16>(s.input_count(), 1)), w(seeded_uniform<bfloat16>(s.weight_count(), 2)),
      y(s.output_count()), dy(seeded_uniform<bfloat16>(next.output_count(), 5)), dx(next.input_count());
  const size_t bytes = convolution->relu_bits_bytes(queue, s, DType::BF16, {});
  REQUIRE(bytes > 0);  // though without a later mask cuDNN's kernel is as good
  Guarded<uint8_t> bits(static_cast<int64_t>(bytes));
  convolution->forward(queue, s, DType::BF16,
                       {.x = x.data(), .weights = {w.data()}, .relu = true, .y = y.data(), .relu_bits = bits.data()});
  CHECK(executed_matmuls.back().epilogue == CUBLASLT_EPILOGUE_RELU_AUX);
  const Scoped none(cublaslt::test::offer_none, true);
  const size_t matmuls = executed_matmuls.size();
  convolution->backward_data(
      queue, next, DType::BF16,
      {.dy = dy.data(), .weights = {w.data()}, .relu_mask = y.data(), .dx = dx.data(), .relu_bits = bits.data()});
  CHECK(executed_matmuls.size() == matmuls);
  CHECK_CLOSE(
      dx.values(),
      oracle::conv_backward_data(next, to_double(dy.values()), to_double(w.values()), to_double(y.values()), {}),
      next.out_c + 3.0);
}
