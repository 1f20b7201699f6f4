// TF32: taken by convolutions of fp32 tensors where it was asked for, and nowhere else.
#include <limits>

#include "kernels/conv/backend.h"
#include "kernels/conv/cuda/cudnn_runtime.h"
#include "kernels/conv/cuda/matmul_backend.h"
#include "tests/standin/cublaslt.h"
#include "tests/support/catch.h"
#include "tests/support/device_memory.h"
#include "tests/support/seeded.h"

using namespace fovea;
using namespace fovea::test;
using cublaslt::test::executed_matmuls;
using kernels::ConvPass;
using kernels::ConvShape;

namespace {
constexpr kernels::CudnnEstimate kSlow{.modeled = std::numeric_limits<double>::infinity()};
}

TEMPLATE_TEST_CASE("plan: matmuls of fp32 tensors use TF32 where it is asked for", "[plans][cublaslt]", float,
                   bfloat16) {
  constexpr DType dtype = dtype_of<TestType>();
  kernels::PackedWeights packed{{conv::cuda::allocate, conv::cuda::release}};
  const auto matmuls = kernels::make_conv_matmuls("", packed);
  REQUIRE(matmuls != nullptr);
  const ConvShape s{1, 20, 20, 8, 8};
  Queue queue;
  std::vector<TestType> x(static_cast<size_t>(s.input_count()), TestType(1.f)),
      dx = x, weights(static_cast<size_t>(s.weight_count()), TestType(1.f));
  const auto algorithm = [&] {
    REQUIRE(matmuls->backward_data(queue, s, dtype, {x.data(), {weights.data()}, nullptr, false, dx.data()}, kSlow));
    return executed_matmuls.back().algorithm;
  };
  CHECK(algorithm() == cublaslt::test::kPlain);
  matmuls->set_tf32(true);
  CHECK((algorithm() == cublaslt::test::kTf32) == (dtype == DType::F32));
  matmuls->set_tf32(false);
  CHECK(algorithm() == cublaslt::test::kPlain);
}

TEST_CASE("plan: cuDNN's plans of fp32 tensors use tensor cores where TF32 is asked for", "[plans]") {
  const auto exact = kernels::make_cudnn_backend(), fast = kernels::make_cudnn_backend();
  fast->set_tf32(true);
  const ConvShape shape{4, 50, 50, 256, 256, 3, 3, 1, 1, 1};
  const auto plan = [&](kernels::ConvBackend& backend, DType dtype, ConvPass pass) {
    return backend.plans(shape, dtype, pass, {.bias = true, .relu = true}).at(0);
  };
  for (const ConvPass pass : {ConvPass::Forward, ConvPass::BackwardData, ConvPass::BackwardWeight}) {
    CAPTURE(static_cast<int>(pass));
    const auto slow = plan(*exact, DType::F32, pass), quick = plan(*fast, DType::F32, pass);
    CHECK(quick.engine != slow.engine);
    CHECK(quick.candidates > slow.candidates);
    CHECK(slow.hopper == 0);
    CHECK(quick.hopper > 0);
    CHECK(plan(*exact, DType::BF16, pass).engine == plan(*fast, DType::BF16, pass).engine);
  }
}

TEST_CASE("plan: plans of exact and of TF32 arithmetic are told apart on disk", "[plans]") {
  cudnn::GraphKey key{ConvPass::Forward, {1, 8, 8, 8, 8, 1, 1}, DType::F32};
  const std::string exact = text_of(key);
  key.tf32 = true;
  CHECK(text_of(key) == exact + " tf32");
}
