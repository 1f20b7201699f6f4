// 1x1 convolutions as matmuls of cuBLASLt: everything but the matmuls themselves, which a double of the
// library takes (tests/standin/cublaslt.h): how operands are laid out, what is fused, which algorithms may be taken,
// when a matmul stands for cuDNN's kernel.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "kernels/conv/backend.h"
#include "kernels/conv/cuda/cublaslt_library.h"
#include "kernels/conv/cuda/cudnn_runtime.h"
#include "kernels/conv/cuda/matmul_backend.h"
#include "kernels/conv/cuda/plan_file.h"
#include "tests/plans/graph_runtime.h"
#include "tests/plans/matmuls.h"
#include "tests/standin/cublaslt.h"
#include "tests/support/catch.h"
#include "tests/support/conv_oracle.h"
#include "tests/support/process.h"
#include "tests/support/scoped.h"
#include "tests/support/seeded.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/variable.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;
using cublaslt::test::Executed;
using cublaslt::test::executed_matmuls;
using cudnn::test::executed_graphs;
using cudnn::test::runs_of;
using cudnn::test::seconds_to_come;
using kernels::ConvPass;
using kernels::ConvPlan;
using kernels::ConvShape;
using kernels::CudnnEstimate;
using oracle::Values;

TEMPLATE_TEST_CASE("by plan: a 1x1 convolution forward as a matmul agrees with its definition", "[plans][cublaslt]",
                   float, bfloat16) {
  using T = TestType;
  const Matmuls matmuls;
  for (const ConvShape& s : kShapes)
    for (const kernels::ConvFusion fusion :
         {kernels::ConvFusion{}, {.bias = true, .relu = true}, {true, true, true}, {.add = true}, {.relu = true}}) {
      CAPTURE(s.in_c, s.out_c, fusion.bias, fusion.add, fusion.relu);
      Queue queue;
      Guarded<T> x(seeded_uniform<T>(s.input_count(), 1)), w(seeded_uniform<T>(s.weight_count(), 2)),
          y(seeded_uniform<T>(s.output_count(), 4));
      Guarded<float> bias(exact_bias(s.out_c));
      const auto added = to_double(y.values());
      REQUIRE(matmuls->forward(queue, s, dtype_of<T>(),
                               {x.data(),
                                {w.data()},
                                fusion.bias ? bias.data() : nullptr,
                                fusion.add ? y.data() : nullptr,
                                fusion.relu,
                                y.data()},
                               kSlow));
      const Executed& matmul = executed_matmuls.back();
      CHECK(matmul.m == s.out_c);  // cuBLASLt's matrices are by columns
      CHECK(matmul.n == pixels(s));
      CHECK(matmul.beta == (fusion.add ? 1 : 0));
      CHECK(matmul.epilogue == (fusion.bias && fusion.relu ? CUBLASLT_EPILOGUE_RELU_BIAS
                                : fusion.relu              ? CUBLASLT_EPILOGUE_RELU
                                                           : CUBLASLT_EPILOGUE_DEFAULT));
      const auto expected = oracle::conv_forward(s, to_double(x.values()), to_double(w.values()),
                                                 fusion.bias ? to_double(bias.values()) : Values{},
                                                 fusion.add ? added : Values{}, fusion.relu);
      CHECK_CLOSE(y.values(), expected, s.in_c + 3.0);  // one rounding to T, whatever is fused
    }
}

TEMPLATE_TEST_CASE("by plan: a 1x1 data gradient as a matmul agrees with its definition", "[plans][cublaslt]", float,
                   bfloat16) {
  using T = TestType;
  const Matmuls matmuls;
  for (const ConvShape& s : kShapes)
    for (const bool has_mask : {false, true})
      for (const bool accumulate : {false, true}) {
        CAPTURE(s.in_c, s.out_c, has_mask, accumulate);
        Queue queue;
        Guarded<T> dy(seeded_uniform<T>(s.output_count(), 1)), w(seeded_uniform<T>(s.weight_count(), 2)),
            mask(seeded_uniform<T>(s.input_count(), 3)), dx(seeded_uniform<T>(s.input_count(), 4));
        const auto before = to_double(dx.values()), masks = to_double(mask.values());
        REQUIRE(matmuls->backward_data(queue, s, dtype_of<T>(),
                                       {dy.data(), {w.data()}, has_mask ? mask.data() : nullptr, accumulate, dx.data()},
                                       kSlow));
        CHECK(executed_matmuls.back().m == s.in_c);
        CHECK(executed_matmuls.back().n == pixels(s));
        // Added before it is rounded, once less than by cuDNN; but what was gathered is added where it is scattered.
        const auto gradient = to_double(dy.values()), weights = to_double(w.values());
        const Values mask_or_none = has_mask ? masks : Values{};
        CHECK(executed_matmuls.back().beta == (accumulate && s.stride == 1 ? 1 : 0));
        auto expected = oracle::conv_backward_data(s, gradient, weights, mask_or_none, accumulate ? before : Values{});
        if (accumulate && s.stride > 1)
          oracle::allow_rounding_of<T>(oracle::conv_backward_data(s, gradient, weights, mask_or_none, {}),
                                       s.out_c + 3.0, expected);
        CHECK_CLOSE(dx.values(), expected, s.out_c + 3.0);
      }
}

TEMPLATE_TEST_CASE("by plan: a 1x1 weight gradient as a matmul is in fp32 throughout", "[plans][cublaslt]", float,
                   bfloat16) {
  using T = TestType;
  const Matmuls matmuls;
  for (const ConvShape& s : kShapes)
    for (const bool accumulate : {false, true}) {
      CAPTURE(s.in_c, s.out_c, accumulate);
      Queue queue;
      Guarded<T> x(seeded_uniform<T>(s.input_count(), 1)), dy(seeded_uniform<T>(s.output_count(), 2));
      Guarded<float> dweight(seeded_uniform<float>(s.weight_count(), 3)), dbias(seeded_uniform<float>(s.out_c, 4));
      const auto before = to_double(dweight.values()), bias_before = to_double(dbias.values());
      REQUIRE(matmuls->backward_weight(queue, s, dtype_of<T>(),
                                       {x.data(), dy.data(), accumulate, dweight.data(), dbias.data()}, kSlow));
      CHECK(executed_matmuls.back().k == pixels(s));
      CHECK(executed_matmuls.back().out == CUDA_R_32F);
      // The matmul itself sums the bias gradient where it may overwrite it.
      CHECK(executed_matmuls.back().epilogue == (accumulate ? CUBLASLT_EPILOGUE_DEFAULT : CUBLASLT_EPILOGUE_BGRADB));
      const auto image = to_double(x.values()), gradient = to_double(dy.values());
      const double roundings = static_cast<double>(pixels(s)) + 3;
      CHECK_CLOSE(dweight.values(), oracle::conv_backward_weight(s, image, gradient, accumulate ? before : Values{}),
                  roundings);
      CHECK_CLOSE(dbias.values(), oracle::conv_bias_gradient(s, gradient, accumulate ? bias_before : Values{}),
                  roundings);
    }
}

TEST_CASE("plan: matmuls add in a fixed order, and fp32 ones without tensor cores", "[plans][cublaslt]") {
  const Matmuls matmuls;
  const ConvShape s{1, 20, 20, 8, 8};
  Queue queue;
  Guarded<float> x(seeded_uniform<float>(s.input_count(), 1)), dy(seeded_uniform<float>(s.output_count(), 2)),
      dweight(s.weight_count());
  REQUIRE(matmuls->backward_weight(queue, s, DType::F32, {x.data(), dy.data(), false, dweight.data()}, kSlow));
  CHECK(executed_matmuls.back().algorithm == cublaslt::test::kSumInParts);  // neither kInPlaceSum nor kTf32
  REQUIRE(matmuls->backward_data(queue, s, DType::F32, {dy.data(), {dweight.data()}, nullptr, false, x.data()}, kSlow));
  CHECK(executed_matmuls.back().algorithm == cublaslt::test::kPlain);
}

TEST_CASE("plan: an algorithm that fails where it is timed is passed over, whichever it is",
          "[plans][cublaslt][fault]") {
  const ConvShape s{1, 20, 20, 16, 32};
  Queue queue;
  Guarded<bfloat16> x(seeded_uniform<bfloat16>(s.input_count(), 1)), dy(seeded_uniform<bfloat16>(s.output_count(), 2));
  Guarded<float> dweight(s.weight_count());
  for (const int failing : {0, 1}) {
    CAPTURE(failing);
    const TemporaryFolder folder;
    const auto left = failing == 0 ? cublaslt::test::kPlain : cublaslt::test::kSumInParts;
    const auto algorithm = [&](const Matmuls& matmuls, const CudnnEstimate& rival) {
      REQUIRE(matmuls->backward_weight(queue, s, DType::BF16, {x.data(), dy.data(), false, dweight.data()}, rival));
      return executed_matmuls.back().algorithm;
    };
    const Matmuls matmuls(folder.path().string());
    cublaslt::test::fail_after(failing * (1 + cudnn::test::kTimedRuns));  // the first run of either
    seconds_to_come = runs_of({1e-3});
    CHECK(algorithm(matmuls, {.timed = 1, .timing = true}) == left);
    CHECK(seconds_to_come.empty());
    const Matmuls next(folder.path().string());  // while the first still is there: what was timed is on disk
    CHECK(algorithm(next, {.timed = 2e-3}) == left);
  }
}

TEST_CASE("plan: an algorithm that is twice as slow as the best is timed once", "[plans][cublaslt]") {
  const Matmuls matmuls;
  const ConvShape s{1, 20, 20, 16, 32};
  Queue queue;
  Guarded<bfloat16> x(seeded_uniform<bfloat16>(s.input_count(), 1)), dy(seeded_uniform<bfloat16>(s.output_count(), 2));
  Guarded<float> dweight(s.weight_count());
  seconds_to_come = runs_of({1e-3});
  seconds_to_come.push_back(2e-3);
  CHECK(matmuls->backward_weight(queue, s, DType::BF16, {x.data(), dy.data(), false, dweight.data()},
                                 {.timed = 1, .timing = true}));
  CHECK(seconds_to_come.empty());
  CHECK(executed_matmuls.back().algorithm == cublaslt::test::kSumInParts);
}

TEST_CASE("plan: what is no matmul, or has no algorithm, is left to cuDNN", "[plans][cublaslt]") {
  const Matmuls matmuls;
  Queue queue;
  Guarded<bfloat16> x(seeded_uniform<bfloat16>(100000, 1)), w(seeded_uniform<bfloat16>(100000, 2)), y(100000);
  const auto takes = [&](const ConvShape& s) {
    return matmuls->forward(queue, s, DType::BF16, {x.data(), {w.data()}, nullptr, nullptr, false, y.data()}, kSlow);
  };
  CHECK(takes({1, 4, 4, 16, 16}));
  CHECK(takes({1, 4, 4, 16, 16, 1, 1, 2, 0, 1}));        // a stride: on gathered pixels
  CHECK_FALSE(takes({1, 4, 4, 16, 16, 1, 1, 2, 1, 1}));  // and padding
  CHECK_FALSE(takes({1, 4, 4, 16, 16, 1, 1, 1, 1, 1}));  // padding
  CHECK_FALSE(takes({1, 4, 4, 16, 16, 3, 3, 1, 1, 1}));
  CHECK_FALSE(takes({1, 4, 4, 16, 16, 1, 1, 1, 0, 2}));  // groups
  CHECK_FALSE(takes({1, 4, 4, 12, 16}));                 // rows that are no multiple of 16 bytes
  CHECK_FALSE(takes({1, 4, 4, 16, 36}));
  const Scoped none(cublaslt::test::offer_none, true);
  CHECK_FALSE(takes({1, 4, 4, 16, 32}));
}

TEST_CASE("plan: matmuls stand for what costs cuDNN a pass more, and for nothing else", "[plans][cublaslt]") {
  const auto convolution = kernels::make_cudnn_backend();
  const ConvShape s{2, 8, 8, 32, 64};
  Queue queue;
  Guarded<bfloat16> x(seeded_uniform<bfloat16>(s.input_count(), 1)), w(seeded_uniform<bfloat16>(s.weight_count(), 2)),
      y(seeded_uniform<bfloat16>(s.output_count(), 3));
  Guarded<float> dweight(s.weight_count());
  const auto products_of = [&](const auto& work) {
    const size_t graphs = executed_graphs.size(), matmuls = executed_matmuls.size();
    work();
    CHECK(executed_graphs.size() - graphs + executed_matmuls.size() - matmuls == 1);
    return executed_matmuls.size() - matmuls;
  };
  CHECK(products_of([&] {
          convolution->forward(queue, s, DType::BF16, {x.data(), {w.data()}, nullptr, nullptr, true, y.data()});
        }) == 0);
  CHECK(products_of([&] {
          convolution->backward_data(queue, s, DType::BF16, {y.data(), {w.data()}, nullptr, false, x.data()});
        }) == 0);
  CHECK(products_of([&] {
          convolution->backward_data(queue, s, DType::BF16, {y.data(), {w.data()}, nullptr, true, x.data()});
        }) == 1);
  CHECK(products_of([&] {
          convolution->backward_weight(queue, s, DType::BF16, {x.data(), y.data(), false, dweight.data()});
        }) == 1);
  const Scoped none(cublaslt::test::offer_none, true);
  const ConvShape other{2, 8, 8, 64, 32};
  CHECK(products_of([&] {
          convolution->backward_weight(queue, other, DType::BF16, {y.data(), x.data(), false, dweight.data()});
        }) == 0);
}

TEST_CASE("plan: the table says which convolutions are matmuls", "[plans][cublaslt]") {
  const auto convolution = kernels::make_cudnn_backend();
  const ConvShape s{16, 100, 100, 256, 64};
  const auto used = [&](ConvPass pass, const std::string& graph) {
    const auto plans = convolution->plans(s, DType::BF16, pass, {.bias = true, .relu = true});
    const auto found = std::find_if(plans.begin(), plans.end(), [&](const ConvPlan& p) { return p.graph == graph; });
    CAPTURE(graph);
    REQUIRE(found != plans.end());
    return found->used;
  };
  CHECK(used(ConvPass::Forward, "conv + bias + ReLU"));
  CHECK_FALSE(used(ConvPass::Forward, "matmul + bias + ReLU"));
  CHECK(used(ConvPass::BackwardData, "data gradient"));
  CHECK(used(ConvPass::BackwardData, "matmul + add"));
  CHECK_FALSE(used(ConvPass::BackwardData, "data gradient + add"));
  CHECK(used(ConvPass::BackwardWeight, "matmul"));
  CHECK_FALSE(used(ConvPass::BackwardWeight, "weight gradient"));
  CHECK_THAT(convolution->describe(s, DType::BF16, ConvPass::BackwardWeight, {}),
             Contains("matmul, cuBLASLt 13") && Contains("algorithm 22"));
}

TEST_CASE("plan: where matmul and cuDNN were timed the times decide, also while nothing is timed",
          "[plans][cublaslt]") {
  const Matmuls matmuls;
  const ConvShape s{1, 20, 20, 16, 32};
  Queue queue;
  Guarded<bfloat16> x(seeded_uniform<bfloat16>(s.input_count(), 1)), dy(seeded_uniform<bfloat16>(s.output_count(), 2));
  Guarded<float> dweight(s.weight_count());
  const auto takes = [&](const CudnnEstimate& rival) {
    return matmuls->backward_weight(queue, s, DType::BF16, {x.data(), dy.data(), false, dweight.data()}, rival);
  };
  CHECK_FALSE(takes(kFast));
  CHECK(takes(kSlow));
  CHECK(executed_matmuls.back().algorithm == cublaslt::test::kSumInParts);
  seconds_to_come = runs_of({3e-3, 2e-3});  // of its algorithms: the second is the faster
  CHECK(takes({.modeled = 0, .timed = 2.5e-3, .timing = true}));
  CHECK(seconds_to_come.empty());
  CHECK(executed_matmuls.back().algorithm == cublaslt::test::kPlain);
  CHECK_FALSE(takes({.modeled = 1, .timed = 1.5e-3}));
  CHECK(takes({.modeled = 0, .timed = 2.5e-3}));
  CHECK_FALSE(takes(kFast));  // cuDNN's was not timed: the model
}

TEST_CASE("plan: timed matmuls are kept in their file for the next process", "[plans][cublaslt]") {
  const TemporaryFolder folder;
  const ConvShape s{1, 20, 20, 16, 32};
  Queue queue;
  Guarded<bfloat16> x(seeded_uniform<bfloat16>(s.input_count(), 1)), dy(seeded_uniform<bfloat16>(s.output_count(), 2));
  Guarded<float> dweight(s.weight_count());
  const auto algorithm = [&](const CudnnEstimate& rival) {
    const Matmuls matmuls(folder.path().string());
    const bool taken =
        matmuls->backward_weight(queue, s, DType::BF16, {x.data(), dy.data(), false, dweight.data()}, rival);
    return taken ? executed_matmuls.back().algorithm : 0;
  };
  CHECK(algorithm(kSlow) == cublaslt::test::kSumInParts);
  CHECK(std::filesystem::is_empty(folder.path()));  // of what was not timed there is nothing to keep
  seconds_to_come = runs_of({3e-3, 2e-3});
  CHECK(algorithm({.timed = 1, .timing = true}) == cublaslt::test::kPlain);
  CHECK(algorithm({.timed = 1, .timing = true}) == cublaslt::test::kPlain);  // known: not timed again
  CHECK(algorithm({.modeled = 1, .timed = 1e-3}) == 0);
  REQUIRE(!std::filesystem::is_empty(folder.path()));
  const auto file = std::filesystem::directory_iterator(folder.path())->path();
  std::string content = conv::cuda::read_plan_file(file.string());
  CHECK_THAT(content, Contains("cuBLASLt " + cublaslt::version_text(CUBLAS_VERSION) + " on NVIDIA H200") &&
                          Contains("weight bf16 400 16 32"));
  content[content.size() / 2] ^= 1;
  conv::cuda::write_plan_file(file.string(), content);
  CHECK(algorithm(kSlow) == cublaslt::test::kSumInParts);
}

TEST_CASE("by plan: a recorded matmul replays to the same bits", "[plans][cublaslt][replay]") {
  const Matmuls matmuls;
  const ConvShape s{2, 9, 7, 24, 40};
  Queue queue;
  Guarded<bfloat16> x(seeded_uniform<bfloat16>(s.input_count(), 1)), w(seeded_uniform<bfloat16>(s.weight_count(), 2)),
      y(s.output_count()), replayed(s.output_count());
  Guarded<float> bias(exact_bias(s.out_c));
  const auto run = [&](bfloat16* to) {
    REQUIRE(matmuls->forward(queue, s, DType::BF16, {x.data(), {w.data()}, bias.data(), nullptr, true, to}, kSlow));
  };
  run(y.data());
  const size_t before = executed_matmuls.size();
  const Recording recording = queue.record([&] { run(replayed.data()); });
  CHECK(executed_matmuls.size() == before);
  recording.replay();
  CHECK(executed_matmuls.size() == before + 1);
  CHECK(std::memcmp(y.data(), replayed.data(), s.output_count() * sizeof(bfloat16)) == 0);
}

TEST_CASE("plan: cuBLASLt is found at run time, and its absence costs nothing but matmuls", "[plans][cublaslt]") {
  const cublaslt::Library found = cublaslt::load_library();
  CHECK(found.version / 10000 == CUBLAS_VER_MAJOR);
  {
    const Variable nowhere("FOVEA_CUBLASLT", "/nowhere/libcublasLt.so");
    CHECK_THROWS_WITH(cublaslt::load_library(), Contains("FOVEA_CUBLASLT names /nowhere/libcublasLt.so"));
  }
  const std::vector<std::string> plans{"info", "--preset", "tiny", "--plans", "--device", "cpu"};
  const auto with = run_fovea(plans);
  CAPTURE(with.err);
  REQUIRE(with.exit_code == 0);
  CHECK(with.err.empty());
  CHECK_THAT(with.out, Contains("cuBLASLt " + cublaslt::version_text(found.version) + ", asked on the GPU"));
  const auto without = run_fovea(plans, "FOVEA_CUBLASLT=/nowhere exec \"$0\" \"$@\"");
  CAPTURE(without.err);
  REQUIRE(without.exit_code == 0);
  CHECK(without.err.empty());  // no GPU is used
  CHECK_THAT(without.out, Contains("cuBLASLt: none: ") && Contains("FOVEA_CUBLASLT names /nowhere"));
  CHECK_THAT(without.out, !Contains("matmul"));
}
