// Convolution against its definition in float64, over shapes, fusions, dtypes and algorithms.
#include "kernels/conv/conv.h"

#include <cstring>

#include "tests/support/catch.h"
#include "tests/support/conv_cases.h"
#include "tests/support/conv_oracle.h"
#include "tests/support/seeded.h"

using namespace fovea;
using namespace fovea::test;
using kernels::ConvAlgorithm;
using kernels::Convolution;
using kernels::ConvShape;
using oracle::Values;

namespace {

// Inputs of all passes of one case. T's rounding is done here, so that the oracle sees what the kernel sees.
template <class T>
struct Inputs {
  std::vector<T> x, w, dy, add, before, mask;
  std::vector<float> bias, dweight_before, dbias_before;
  explicit Inputs(const ConvShape& s, uint64_t seed = 1)
      : x(seeded_uniform<T>(s.input_count(), seed)),
        w(seeded_uniform<T>(s.weight_count(), seed + 1)),
        dy(seeded_uniform<T>(s.output_count(), seed + 2)),
        add(seeded_uniform<T>(s.output_count(), seed + 3)),
        before(seeded_uniform<T>(s.input_count(), seed + 4)),
        mask(seeded_uniform<T>(s.input_count(), seed + 5)),
        bias(seeded_uniform<float>(s.out_c, seed + 6)),
        dweight_before(seeded_uniform<float>(s.weight_count(), seed + 7)),
        dbias_before(seeded_uniform<float>(s.out_c, seed + 8)) {
    for (T& m : mask) m = std::max(static_cast<float>(m), 0.f);  // a ReLU's output: exact zeros
  }
};

// Roundings on the longest chain of a direct convolution: one an addition, whatever the order, and two more terms.
double forward_roundings(const ConvShape& s) { return s.kernel_h * s.kernel_w * (s.in_c / s.groups) + 3; }
double data_roundings(const ConvShape& s) { return s.kernel_h * s.kernel_w * (s.out_c / s.groups) + 3; }
// On a GPU the sum is rounded once more, to T.
template <class T>
double weight_roundings(const ConvShape& s) {
  const double to_storage = test_device() == DeviceKind::Cuda ? epsilon_of<T>() / epsilon_of<float>() : 0;
  return double(s.batch) * s.out_h() * s.out_w() + 3 + to_storage;
}

struct Fusion {
  bool bias = false, add = false, add_in_place = false, relu = false;
};

template <class T>
void check_forward(Convolution& convolution, const ConvShape& s, const Inputs<T>& in, Fusion fusion) {
  TestQueue queue;
  Guarded<T> x(in.x), w(in.w), add(in.add), y(s.output_count());
  Guarded<float> bias(in.bias);
  if (fusion.add_in_place) std::copy(in.add.begin(), in.add.end(), y.data());
  const void* added = fusion.add_in_place ? y.data() : fusion.add ? add.data() : nullptr;
  convolution.forward(queue, s, dtype_of<T>(),
                      {x.data(), {w.data()}, fusion.bias ? bias.data() : nullptr, added, fusion.relu, y.data()});
  auto expected = oracle::conv_forward(s, to_double(in.x), to_double(in.w), fusion.bias ? to_double(in.bias) : Values{},
                                       added ? to_double(in.add) : Values{}, fusion.relu);
  if (test_device() == DeviceKind::Cuda) {  // the bias is rounded, or what it is added to (kernels/conv/conv.h)
    oracle::allow_rounding_of<T>(oracle::conv_forward(s, to_double(in.x), to_double(in.w), {}, {}, false),
                                 forward_roundings(s), expected);
    if (fusion.bias)
      oracle::allow_rounding_of<T>(
          oracle::conv_forward(s, Values(in.x.size()), to_double(in.w), to_double(in.bias), {}, false),
          forward_roundings(s), expected);
  }
  CHECK_CLOSE(y.values(), expected, forward_roundings(s));
}

template <class T>
void check_backward_data(Convolution& convolution, const ConvShape& s, const Inputs<T>& in, bool mask,
                         bool accumulate) {
  TestQueue queue;
  Guarded<T> dy(in.dy), w(in.w), masks(in.mask), dx(s.input_count());
  if (accumulate) std::copy(in.before.begin(), in.before.end(), dx.data());
  convolution.backward_data(queue, s, dtype_of<T>(),
                            {dy.data(), {w.data()}, mask ? masks.data() : nullptr, accumulate, dx.data()});
  const Values masked = mask ? to_double(in.mask) : Values{};
  auto expected = oracle::conv_backward_data(s, to_double(in.dy), to_double(in.w), masked,
                                             accumulate ? to_double(in.before) : Values{});
  if (test_device() == DeviceKind::Cuda && accumulate)  // it is rounded before it is added (kernels/conv/conv.h)
    oracle::allow_rounding_of<T>(oracle::conv_backward_data(s, to_double(in.dy), to_double(in.w), masked, {}),
                                 data_roundings(s), expected);
  CHECK_CLOSE(dx.values(), expected, data_roundings(s));
}

template <class T>
void check_backward_weight(Convolution& convolution, const ConvShape& s, const Inputs<T>& in, bool bias,
                           bool accumulate) {
  TestQueue queue;
  const std::vector<unsigned char> nan(1 << 22, 0xff);  // what is read before it was written shows
  queue.copy(queue.workspace(nan.size()), nan.data(), nan.size());
  Guarded<T> x(in.x), dy(in.dy);
  Guarded<float> dweight(s.weight_count()), dbias(s.out_c);
  if (accumulate) std::copy(in.dweight_before.begin(), in.dweight_before.end(), dweight.data());
  if (accumulate) std::copy(in.dbias_before.begin(), in.dbias_before.end(), dbias.data());
  convolution.backward_weight(queue, s, dtype_of<T>(),
                              {x.data(), dy.data(), accumulate, dweight.data(), bias ? dbias.data() : nullptr});
  const auto before = accumulate ? to_double(in.dweight_before) : Values{};
  CHECK_CLOSE(dweight.values(), oracle::conv_backward_weight(s, to_double(in.x), to_double(in.dy), before),
              weight_roundings<T>(s));
  if (!bias) return;
  const auto bias_before = accumulate ? to_double(in.dbias_before) : Values{};
  CHECK_CLOSE(dbias.values(), oracle::conv_bias_gradient(s, to_double(in.dy), bias_before), weight_roundings<float>(s));
}

}  // namespace

TEMPLATE_TEST_CASE("convolution forward agrees with its definition", "[conv]", float, bfloat16) {
  Convolution convolution(ConvAlgorithm::Direct);
  for (const auto& [name, shape, by_plan] : kConvCases) {
    const Inputs<TestType> in(shape);
    for (const Fusion fusion : {Fusion{},
                                {.bias = true},
                                {.relu = true},
                                {.bias = true, .relu = true},
                                {.bias = true, .add = true, .relu = true},
                                {.bias = true, .add_in_place = true, .relu = true},
                                {.add = true}}) {
      CAPTURE(name, fusion.bias, fusion.add, fusion.add_in_place, fusion.relu);
      check_forward<TestType>(convolution, shape, in, fusion);
    }
  }
}

TEMPLATE_TEST_CASE("convolution data gradient agrees with its definition", "[conv]", float, bfloat16) {
  Convolution convolution(ConvAlgorithm::Direct);
  for (const auto& [name, shape, by_plan] : kConvCases) {
    const Inputs<TestType> in(shape);
    for (const bool mask : {false, true})
      for (const bool accumulate : {false, true}) {
        CAPTURE(name, mask, accumulate);
        check_backward_data<TestType>(convolution, shape, in, mask, accumulate);
      }
  }
}

TEMPLATE_TEST_CASE("convolution weight and bias gradients agree with their definition", "[conv]", float, bfloat16) {
  Convolution convolution(ConvAlgorithm::Direct);
  for (const auto& [name, shape, by_plan] : kConvCases) {
    const Inputs<TestType> in(shape);
    for (const bool bias : {false, true})
      for (const bool accumulate : {false, true}) {
        CAPTURE(name, bias, accumulate);
        check_backward_weight<TestType>(convolution, shape, in, bias, accumulate);
      }
  }
}

// Of so many pixels that no kernel's tiles fit all of them. oneDNN 2.6 wrote past y where they were 27, 33, 36, 39, 42,
// 45 or 48, in bf16 on CPUs with AMX.
TEMPLATE_TEST_CASE("convolution of a few pixels writes no others", "[conv]", float, bfloat16) {
  Convolution convolution(ConvAlgorithm::Direct);
  for (int pixels = 1; pixels <= 64; ++pixels) {
    const ConvShape shape{.batch = 1, .in_h = 1, .in_w = pixels, .in_c = 32, .out_c = 32};
    const Inputs<TestType> in(shape);
    CAPTURE(pixels);
    check_forward<TestType>(convolution, shape, in, {.bias = true, .relu = true});
    check_forward<TestType>(convolution, shape, in, {.bias = true, .add = true, .relu = true});
    check_backward_data<TestType>(convolution, shape, in, false, false);
    check_backward_weight<TestType>(convolution, shape, in, false, false);
  }
}

// oneDNN 2's brgconv_1x1, which it takes on CPUs with AVX-512, reads no other tensor to add.
TEST_CASE("convolution: what computes a layer depends on what is added", "[conv]") {
  Convolution convolution(ConvAlgorithm::Direct);
  const ConvShape shape{.batch = 1, .in_h = 6, .in_w = 6, .in_c = 64, .out_c = 64};
  const auto by = [&](kernels::ConvFusion fusion) {
    return convolution.describe(shape, DType::F32, kernels::ConvPass::Forward, fusion);
  };
  const std::string alone = by({.bias = true, .relu = true});
  if (!kernels::convolution_library().starts_with("oneDNN 2.") || !alone.starts_with("brgconv_1x1"))
    return;  // another oneDNN or CPU
  CHECK_FALSE(by({.bias = true, .add = true, .relu = true}).starts_with("brgconv"));
}

TEST_CASE("an empty convolution does nothing and its gradients are zero", "[conv]") {
  Convolution convolution;
  TestQueue queue;
  for (const ConvShape shape : {ConvShape{0, 5, 5, 4, 8, 3, 3, 1, 1, 1}, ConvShape{1, 2, 2, 4, 8, 3, 3, 2, 0, 1}}) {
    REQUIRE(shape.output_count() == 0);
    convolution.forward(queue, shape, DType::F32, {});
    Guarded<float> dweight(seeded_uniform<float>(shape.weight_count(), 1)), dbias(seeded_uniform<float>(8, 2));
    Guarded<float> dx(seeded_uniform<float>(shape.input_count(), 3));
    const auto dweight_before = dweight.values(), dx_before = dx.values();
    convolution.backward_weight(queue, shape, DType::F32, {nullptr, nullptr, true, dweight.data(), dbias.data()});
    convolution.backward_data(queue, shape, DType::F32, {nullptr, {}, nullptr, true, dx.data()});
    CHECK(dweight.values() == dweight_before);
    CHECK(dx.values() == dx_before);
    convolution.backward_weight(queue, shape, DType::F32, {nullptr, nullptr, false, dweight.data(), dbias.data()});
    convolution.backward_data(queue, shape, DType::F32, {nullptr, {}, nullptr, false, dx.data()});
    CHECK(dweight.values() == std::vector<float>(shape.weight_count(), 0.f));
    CHECK(dbias.values() == std::vector<float>(8, 0.f));
    CHECK(dx.values() == std::vector<float>(shape.input_count(), 0.f));
  }
}
