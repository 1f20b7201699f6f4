// Matmuls on a GPU's queue: that a training step takes them, and what cuBLASLt's double (tests/standin/
// cublaslt.h) holds of their operands.
#include <algorithm>

#include "engine/optimizer.h"
#include "kernels/conv/cuda/cudnn_runtime.h"
#include "kernels/conv/cuda/matmul_backend.h"
#include "model/retinanet.h"
#include "tests/cuda/program.h"
#include "tests/standin/cublaslt.h"
#include "tests/standin/standin.h"
#include "tests/support/catch.h"
#include "tests/support/scoped.h"
#include "tools/config/config.h"

using namespace fovea;
using Catch::Contains;
using kernels::ConvShape;

namespace {

constexpr kernels::CudnnEstimate kSlow{.modeled = 1e9};
const ConvShape k1x1{2, 8, 8, 16, 32};

// A 1x1 layer's tensors, each in an allocation of its own.
struct Layer {
  Queue queue{DeviceKind::Cuda};
  kernels::PackedWeights packed{{conv::cuda::allocate, conv::cuda::release}};
  std::unique_ptr<kernels::ConvMatmuls> matmuls = kernels::make_conv_matmuls("", packed);
  char *x = take(k1x1.input_count() * 2), *y = take(k1x1.output_count() * 2), *w = take(k1x1.weight_count() * 4 + 16);
  Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;
  ~Layer() {
    for (char* taken : {x, y, w}) conv::cuda::release(taken);
  }
  char* take(int64_t bytes) {
    void* data = conv::cuda::allocate(static_cast<size_t>(bytes));
    queue.fill_zero(data, static_cast<size_t>(bytes));
    return static_cast<char*>(data);
  }
  void weight_gradient(const void* dy, void* dweight) {
    const bool taken =
        matmuls->backward_weight(queue, k1x1, DType::BF16, {x, dy, false, static_cast<float*>(dweight)}, kSlow);
    REQUIRE(taken);
  }
};

}  // namespace

TEST_CASE("standin: a matmul's operands lie in the device's memory, aligned", "[standin][cublaslt]") {
  Layer layer;
  CHECK_NOTHROW(layer.weight_gradient(layer.y, layer.w + 16));  // a view: aligned to 16, and not to more
  std::vector<float> on_host(static_cast<size_t>(k1x1.weight_count()));
  CHECK_THROWS_WITH(layer.weight_gradient(layer.y, on_host.data()),
                    Contains("cublasLtMatmul for weight bf16 128 16 32 failed"));
  CHECK_THROWS(layer.weight_gradient(layer.y + 2, layer.w));                    // not aligned
  CHECK_THROWS(layer.weight_gradient(layer.y + k1x1.output_count(), layer.w));  // beyond its end
  CHECK_NOTHROW(layer.weight_gradient(layer.y, layer.w));
}

TEST_CASE("standin: fault: a matmul that fails says which, and has the exit code of its kind",
          "[standin][fault][cublaslt]") {
  Layer layer;
  layer.weight_gradient(layer.y, layer.w);
  for (const auto& [error, kind] :
       {std::pair{cudaErrorMemoryAllocation, ErrorKind::OutOfMemory}, {cudaErrorInvalidValue, ErrorKind::Runtime}}) {
    standin::fail("cublasLtMatmul", 1, error);
    try {
      layer.weight_gradient(layer.y, layer.w);
      FAIL("it did not fail");
    } catch (const Error& failed) {
      CHECK(failed.kind() == kind);
      CHECK_THAT(failed.what(), Contains("cublasLtMatmul for weight bf16"));
    }
  }
  CHECK_NOTHROW(layer.weight_gradient(layer.y, layer.w));
}

TEST_CASE("standin: fault: the training whose calls are made to fail has matmuls among them",
          "[standin][fault][cublaslt]") {
  const test::ShortRuns runs(2, 1);
  const auto result =
      test::run_standin(runs.train("run", "cuda", 2, "bf16"), "FOVEA_STANDIN_REPORT=" + runs.path("report.json"));
  REQUIRE(result.exit_code == 0);
  const std::string report = test::read_text(runs.path("report.json"));
  for (const char* call : {"cublasLtCreate", "cublasLtMatmulDescCreate", "cublasLtMatrixLayoutCreate",
                           "cublasLtMatmulPreferenceCreate", "cublasLtMatmulAlgoGetHeuristic", "cublasLtMatmul"})
    CHECK(test::reported(report, call) > 0);
}

TEST_CASE("standin: a training step of R50 in bf16 takes a matmul for each weight gradient that is one",
          "[standin][cublaslt]") {
  const test::Scoped dry(standin::set_dry, true);
  const Config config = preset("torchvision");
  Context context(DeviceKind::Cuda, Precision::BF16);
  RetinaNet model(context, config.model, 0);
  const Tensor images = context.empty({1, 128, 128, 3}, context.activation_dtype);
  const Truth truth{context.empty({1, 4, 4}, DType::F32), context.empty({1, 4}, DType::I32),
                    context.empty({1, 4}, DType::U8), context.empty({1}, DType::I32)};
  std::vector<ConvTrace> layers;
  context.trace = &layers;
  auto& matmuls = cublaslt::test::executed_matmuls;
  matmuls.clear();
  {
    Tape tape(context, true);
    model.parameters().bind_gradients(tape, false);
    model.loss(tape, model.forward(tape, images), {128, 128}, truth);
    tape.backward();
  }
  const auto expected = std::count_if(layers.begin(), layers.end(), [](const ConvTrace& layer) {
    return layer.shape.kernel_h == 1 && layer.weight_gradient;
  });
  CHECK(expected > 20);
  const auto weights = std::count_if(matmuls.begin(), matmuls.end(), [](const auto& p) { return p.out == CUDA_R_32F; });
  CHECK(weights == expected);
  // And one for each gradient that joins another: of the blocks' inputs, and of C3 and C4, which the FPN reads too.
  const auto adding =
      std::count_if(matmuls.begin(), matmuls.end(), [](const auto& p) { return p.out == CUDA_R_16BF && p.beta == 1; });
  CHECK(adding > 0);
  // And one for each data gradient with a stride, on gathered pixels.
  const auto strided = std::count_if(layers.begin(), layers.end(), [](const ConvTrace& layer) {
    return layer.shape.kernel_h == 1 && layer.shape.stride > 1 && layer.data_gradient;
  });
  CHECK(strided > 0);
  // And one for each output of a block, whose bits then mask its gradient in the matmul that writes it last.
  const auto with_epilogue = [&](cublasLtEpilogue_t epilogue) {
    return std::count_if(matmuls.begin(), matmuls.end(), [&](const auto& p) { return p.epilogue == epilogue; });
  };
  const auto outputs = std::count_if(layers.begin(), layers.end(), [](const ConvTrace& layer) {
    return layer.shape.kernel_h == 1 && layer.offers_mask && layer.fusion.add;
  });
  CHECK(outputs == 13);
  CHECK(with_epilogue(CUBLASLT_EPILOGUE_RELU_AUX_BIAS) == outputs);
  CHECK(with_epilogue(CUBLASLT_EPILOGUE_DRELU) == outputs);
  const auto adding_nothing = std::count_if(matmuls.begin(), matmuls.end(), [](const auto& p) {
    return p.epilogue == CUBLASLT_EPILOGUE_DRELU && p.beta == 0;
  });
  CHECK(adding + adding_nothing + weights + strided == static_cast<int64_t>(matmuls.size()));
}
