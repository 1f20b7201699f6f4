// The GPU's convolution against its definition, with plans of the described H200 whose graphs run on the CPU
// (graph_runtime.cpp): all of it but cuDNN's own kernels.
#include "kernels/conv/backend.h"
#include "kernels/conv/cuda/padded_shape.h"
#include "tests/plans/graph_runtime.h"
#include "tests/support/catch.h"
#include "tests/support/conv_cases.h"
#include "tests/support/conv_oracle.h"
#include "tests/support/scoped.h"
#include "tests/support/seeded.h"

using namespace fovea;
using namespace fovea::test;
using cudnn::test::executed_graphs;
using kernels::ConvBackend;
using kernels::ConvPass;
using kernels::ConvShape;
using oracle::Values;

namespace {

// Whether matmuls stand for cuDNN where they may (matmul_backend_test.cpp).
bool by_matmuls(const char* name) { return name != std::string("1x1 by cuDNN"); }

size_t executed() { return executed_graphs.size() + cudnn::test::matmuls_executed(); }

double products(const ConvShape& s) { return s.kernel_h * s.kernel_w * (s.in_c / s.groups) + 3.0; }
double data_products(const ConvShape& s) { return s.kernel_h * s.kernel_w * (s.out_c / s.groups) + 3.0; }
double weight_products(const ConvShape& s) { return double(s.batch) * s.out_h() * s.out_w() + 3; }

// `graphs`: that are run for one call.
template <class T>
void check_forward(ConvBackend& convolution, const ConvShape& s, size_t graphs = 1) {
  for (const kernels::ConvFusion fusion :
       {kernels::ConvFusion{}, {.bias = true, .relu = true}, {true, true, true}, {.add = true}, {.relu = true}}) {
    CAPTURE(fusion.bias, fusion.add, fusion.relu);
    Queue queue;
    Guarded<T> x(seeded_uniform<T>(s.input_count(), 1)), w(seeded_uniform<T>(s.weight_count(), 2)),
        y(seeded_uniform<T>(s.output_count(), 4));
    Guarded<float> bias(exact_bias(s.out_c));
    const auto added = to_double(y.values());
    const size_t runs = executed();
    convolution.forward(queue, s, dtype_of<T>(),
                        {x.data(),
                         {w.data()},
                         fusion.bias ? bias.data() : nullptr,
                         fusion.add ? y.data() : nullptr,
                         fusion.relu,
                         y.data()});
    CHECK(executed() == runs + graphs);
    auto expected = oracle::conv_forward(s, to_double(x.values()), to_double(w.values()),
                                         fusion.bias ? to_double(bias.values()) : Values{},
                                         fusion.add ? added : Values{}, fusion.relu);
    // Where y is cropped (or its graph has no plan) the product is rounded before the rest is added.
    const auto product = oracle::conv_forward(s, to_double(x.values()), to_double(w.values()), {}, {}, false);
    oracle::allow_rounding_of<T>(product, products(s), expected);
    CHECK_CLOSE(y.values(), expected, products(s));
  }
}

template <class T>
void check_backward_data(ConvBackend& convolution, const ConvShape& s, size_t graphs = 1) {
  for (const bool has_mask : {false, true})
    for (const bool accumulate : {false, true}) {
      CAPTURE(has_mask, accumulate);
      Queue queue;
      Guarded<T> dy(seeded_uniform<T>(s.output_count(), 1)), w(seeded_uniform<T>(s.weight_count(), 2)),
          mask(seeded_uniform<T>(s.input_count(), 3)), dx(seeded_uniform<T>(s.input_count(), 4));
      const auto before = to_double(dx.values()), masks = to_double(mask.values());
      const size_t runs = executed();
      convolution.backward_data(queue, s, dtype_of<T>(),
                                {dy.data(), {w.data()}, has_mask ? mask.data() : nullptr, accumulate, dx.data()});
      CHECK(executed() == runs + graphs);
      const auto gradient = to_double(dy.values()), weights = to_double(w.values());
      auto expected =
          oracle::conv_backward_data(s, gradient, weights, has_mask ? masks : Values{}, accumulate ? before : Values{});
      if (accumulate)
        oracle::allow_rounding_of<T>(oracle::conv_backward_data(s, gradient, weights, has_mask ? masks : Values{}, {}),
                                     data_products(s), expected);
      CHECK_CLOSE(dx.values(), expected, data_products(s));
    }
}

template <class T>
void check_backward_weight(ConvBackend& convolution, const ConvShape& s, int parts = 1) {
  for (const bool accumulate : {false, true}) {
    CAPTURE(accumulate);
    Queue queue;
    Guarded<T> x(seeded_uniform<T>(s.input_count(), 1)), dy(seeded_uniform<T>(s.output_count(), 2));
    Guarded<float> dweight(seeded_uniform<float>(s.weight_count(), 3)), dbias(seeded_uniform<float>(s.out_c, 4));
    const auto before = to_double(dweight.values()), bias_before = to_double(dbias.values());
    const size_t runs = executed();
    convolution.backward_weight(queue, s, dtype_of<T>(),
                                {x.data(), dy.data(), accumulate, dweight.data(), dbias.data()});
    CHECK(executed() == runs + static_cast<size_t>(parts));
    const auto image = to_double(x.values()), gradient = to_double(dy.values());
    const double roundings = weight_products(s) + parts - 1;
    auto expected = oracle::conv_backward_weight(s, image, gradient, accumulate ? before : Values{});
    for (int part = 0; part < parts; ++part) {  // each is rounded before it is added
      ConvShape images = s;
      images.batch = kernels::part_size(s.batch, parts, part);
      const auto of_part = [&](const Values& all) {
        const auto begin = static_cast<int64_t>(all.size()) / s.batch * kernels::part_begin(s.batch, parts, part);
        return Values(all.begin() + begin,
                      all.begin() + begin + static_cast<int64_t>(all.size()) / s.batch * images.batch);
      };
      oracle::allow_rounding_of<T>(oracle::conv_backward_weight(images, of_part(image), of_part(gradient), {}),
                                   roundings, expected);
    }
    CHECK_CLOSE(dweight.values(), expected, roundings);
    CHECK_CLOSE(dbias.values(), oracle::conv_bias_gradient(s, gradient, accumulate ? bias_before : Values{}),
                weight_products(s));
  }
}

}  // namespace

TEMPLATE_TEST_CASE("by plan: convolution forward agrees with its definition", "[plans]", float, bfloat16) {
  const auto convolution = kernels::make_cudnn_backend();
  for (const auto& [name, s, by_plan] : kConvCases) {
    if (!by_plan) continue;
    CAPTURE(name);
    const Scoped matmuls(cudnn::test::offer_matmuls, by_matmuls(name));
    check_forward<TestType>(*convolution, s);
  }
}

TEMPLATE_TEST_CASE("by plan: convolution data gradient agrees with its definition", "[plans]", float, bfloat16) {
  const auto convolution = kernels::make_cudnn_backend();
  for (const auto& [name, s, by_plan] : kConvCases) {
    if (!by_plan) continue;
    CAPTURE(name);
    const Scoped matmuls(cudnn::test::offer_matmuls, by_matmuls(name));
    check_backward_data<TestType>(*convolution, s);
  }
}

TEMPLATE_TEST_CASE("by plan: convolution weight and bias gradients agree with their definition", "[plans]", float,
                   bfloat16) {
  const auto convolution = kernels::make_cudnn_backend();
  for (const auto& [name, s, by_plan] : kConvCases) {
    if (!by_plan) continue;
    CAPTURE(name);
    const Scoped matmuls(cudnn::test::offer_matmuls, by_matmuls(name));
    check_backward_weight<TestType>(*convolution, s);
  }
}

TEMPLATE_TEST_CASE("by plan: a batch in parts agrees with the definition in every pass", "[plans]", float, bfloat16) {
  const std::pair<int, ConvCase> kParts[] = {{2, {"3x3 of 2 images", {2, 10, 13, 16, 24, 3, 3, 1, 1, 1}}},
                                             {2, {"3x3 of 3 images", {3, 7, 6, 16, 24, 3, 3, 1, 1, 1}}},
                                             {3, {"padded channels", {5, 6, 6, 7, 36, 3, 3, 1, 1, 1}}},
                                             {2, {"3x3 stride 2", {3, 9, 8, 16, 16, 3, 3, 2, 1, 1}}},
                                             {4, {"the stem", {4, 12, 14, 3, 16, 7, 7, 2, 3, 1}}}};
  for (const auto& [parts, a_case] : kParts) {
    CAPTURE(a_case.name, parts);
    const auto convolution = kernels::make_cudnn_backend({.parts = parts});
    check_forward<TestType>(*convolution, a_case.shape, static_cast<size_t>(parts));
    check_backward_data<TestType>(*convolution, a_case.shape, static_cast<size_t>(parts));
    check_backward_weight<TestType>(*convolution, a_case.shape, parts);
  }
}

TEST_CASE("by plan: a gradient that has zeros behind its channels is taken as it is", "[plans]") {
  for (const int parts : {1, 3}) {
    const ConvShape s{5, 6, 6, 8, 36, 3, 3, 1, 1, 1};
    const auto convolution = kernels::make_cudnn_backend({.parts = parts});
    Queue queue;
    const auto values = seeded_uniform<bfloat16>(s.output_count(), 2);
    std::vector<bfloat16> padded(values.size() / 36 * 40);
    for (size_t i = 0; i < values.size(); ++i) padded[i / 36 * 40 + i % 36] = values[i];
    Guarded<bfloat16> x(seeded_uniform<bfloat16>(s.input_count(), 1)), dy(values), with_zeros(padded);
    Guarded<float> expected(s.weight_count()), dweight(s.weight_count());
    convolution->backward_weight(queue, s, DType::BF16, {.x = x.data(), .dy = dy.data(), .dweight = expected.data()});
    QueueProfile profile;
    queue.set_profile(&profile);
    convolution->backward_weight(
        queue, s, DType::BF16, {.x = x.data(), .dy = with_zeros.data(), .dweight = dweight.data(), .dy_channels = 40});
    queue.set_profile(nullptr);
    CHECK(dweight.values() == expected.values());
    for (const auto& [key, entry] : profile.entries) CHECK(key.name != "pad_channels");
  }
}

TEST_CASE("by plan: a batch whose images do not begin at 16 bytes is not cut in parts", "[plans]") {
  const auto convolution = kernels::make_cudnn_backend({.parts = 2});
  check_forward<float>(*convolution, {2, 3, 3, 7, 5, 3, 3, 1, 1, 1});        // fp32 as it is: 252 bytes an image
  check_forward<bfloat16>(*convolution, {2, 3, 3, 7, 5, 3, 3, 1, 1, 1}, 2);  // padded
}

TEMPLATE_TEST_CASE("by plan: a strided 1x1 convolution on gathered pixels agrees with the definition", "[plans]", float,
                   bfloat16) {
  const ConvShape shapes[] = {{2, 9, 8, 16, 32, 1, 1, 2, 0, 1}, {1, 7, 7, 24, 8, 1, 1, 3, 0, 1}};
  for (const bool matmuls : {false, true})
    for (const ConvShape& s : shapes) {
      CAPTURE(matmuls, s.stride);
      const Scoped offered(cudnn::test::offer_matmuls, matmuls);
      const auto convolution = kernels::make_cudnn_backend({.gathers = true});
      const size_t before = executed_graphs.size();
      check_forward<TestType>(*convolution, s);
      check_backward_data<TestType>(*convolution, s);
      check_backward_weight<TestType>(*convolution, s);
      for (size_t i = before; i < executed_graphs.size(); ++i) CHECK(executed_graphs[i].shape == kernels::gathered(s));
    }
}

TEST_CASE("by plan: a recorded convolution replays to the same bits", "[plans]") {
  const auto convolution = kernels::make_cudnn_backend();
  const ConvShape s{1, 7, 6, 32, 819, 3, 3, 1, 1, 1};
  Queue queue;
  Guarded<bfloat16> x(seeded_uniform<bfloat16>(s.input_count(), 1)), w(seeded_uniform<bfloat16>(s.weight_count(), 2)),
      y(s.output_count()), replayed(s.output_count());
  convolution->forward(queue, s, DType::BF16, {x.data(), {w.data()}, nullptr, nullptr, false, y.data()});
  const size_t runs = executed_graphs.size();
  const Recording recording = queue.record([&] {
    convolution->forward(queue, s, DType::BF16, {x.data(), {w.data()}, nullptr, nullptr, false, replayed.data()});
  });
  CHECK(executed_graphs.size() == runs);
  recording.replay();
  CHECK(executed_graphs.size() == runs + 1);
  CHECK(std::memcmp(y.data(), replayed.data(), s.output_count() * sizeof(bfloat16)) == 0);
}

TEST_CASE("by plan: padded weights and the bias are kept as long as their version is the same", "[plans]") {
  const auto convolution = kernels::make_cudnn_backend();
  const ConvShape s{1, 5, 5, 8, 16, 3, 3, 1, 1, 1}, odd{1, 5, 5, 6, 16, 3, 3, 1, 1, 1};
  Queue queue;
  uint64_t version = 1;
  Guarded<bfloat16> x(seeded_uniform<bfloat16>(s.input_count(), 1)), w(seeded_uniform<bfloat16>(s.weight_count(), 2)),
      y(s.output_count());
  Guarded<float> bias(exact_bias(s.out_c));
  const auto run = [&](const ConvShape& shape) {
    convolution->forward(queue, shape, DType::BF16,
                         {x.data(), {w.data(), &version}, bias.data(), nullptr, false, y.data()});
    return y.values();
  };
  const auto same = [](const auto& a, const auto& b) {
    return std::memcmp(a.data(), b.data(), a.size() * sizeof(bfloat16)) == 0;
  };
  for (const ConvShape& shape : {s, odd}) {
    convolution->forget_weights();
    CHECK(convolution->cached_bytes() == 0);
    const auto first = run(shape);
    // The bias in bf16, and the weights where their channels are padded to eight.
    CHECK(convolution->cached_bytes() == (16 + (shape.in_c == 6 ? s.weight_count() : 0)) * sizeof(bfloat16));
    bias.data()[0] += 1;
    if (shape.in_c == 6) w.data()[0] = 3;
    CHECK(same(run(shape), first));
    ++version;
    CHECK(!same(run(shape), first));
  }
}

TEST_CASE("by plan: fp32 is never rounded to fewer bits, and everything has the same bits each time", "[plans]") {
  // Engines are picked by what cuDNN says of them; the tensor cores' have clusters' or stages' knobs. Exact ones have
  // neither: this holds that the notes were asked for.
  const auto convolution = kernels::make_cudnn_backend();
  for (const ConvPass pass : {ConvPass::Forward, ConvPass::BackwardData, ConvPass::BackwardWeight})
    for (const auto& plan :
         convolution->plans({4, 50, 50, 256, 256, 3, 3, 1, 1, 1}, DType::F32, pass, {true, false, true})) {
      CAPTURE(plan.graph, plan.engine);
      CHECK(plan.kernels != "Hopper");
      CHECK(plan.engine.find("_k14=") == std::string::npos);
    }
}
