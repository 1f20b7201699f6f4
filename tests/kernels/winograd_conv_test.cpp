// Winograd's form of the 3x3 convolution against the definition in float64, within its own error bound.
#include <fmt/format.h>

#include <cmath>

#include "kernels/conv/conv.h"
#include "tests/support/catch.h"
#include "tests/support/conv_oracle.h"
#include "tests/support/seeded.h"
#include "tests/support/threads.h"

using namespace fovea;
using namespace fovea::test;
using kernels::ConvAlgorithm;
using kernels::Convolution;
using kernels::ConvPass;
using kernels::ConvShape;
using oracle::Values;

namespace {

// batch, in_h, in_w, in_c, out_c, kernel_h, kernel_w, stride, pad
const ConvShape kShapes[] = {
    {1, 8, 8, 16, 64, 3, 3, 1, 1},    {2, 9, 14, 24, 40, 3, 3, 1, 1},  {1, 1, 1, 8, 8, 3, 3, 1, 1},
    {3, 2, 5, 7, 5, 3, 3, 1, 1},      {1, 13, 11, 16, 36, 3, 3, 1, 0}, {1, 3, 3, 8, 8, 3, 3, 1, 0},
    {1, 6, 7, 5, 19, 3, 3, 1, 2},     {1, 12, 12, 1, 1, 3, 3, 1, 1},   {1, 10, 9, 72, 136, 3, 3, 1, 1},
    {1, 73, 70, 200, 1, 3, 3, 1, 1},  {1, 70, 73, 1, 200, 3, 3, 1, 1}, {1, 8, 8, 16, 64, 3, 3, 2, 1},
    {2, 9, 14, 24, 40, 3, 3, 2, 1},   {1, 1, 1, 8, 8, 3, 3, 2, 1},     {3, 2, 5, 7, 5, 3, 3, 2, 1},
    {1, 13, 12, 16, 36, 3, 3, 2, 0},  {1, 3, 4, 8, 8, 3, 3, 2, 0},     {1, 6, 7, 5, 19, 3, 3, 2, 2},
    {1, 25, 25, 72, 136, 3, 3, 2, 1}, {1, 73, 70, 200, 1, 3, 3, 2, 1}, {1, 70, 73, 1, 200, 3, 3, 2, 2},
};

template <class T>
int tile_of(const ConvShape& s) {
  return s.stride == 2 ? 3 : std::is_same_v<T, float> ? 4 : 6;
}

// The definition's own terms are the smaller part of mag; they bring in those of bias, add and what accumulates.
void add_mag(Reference& expected, const Values& mag) {
  for (size_t i = 0; i < mag.size(); ++i) expected.mag[i] += mag[i];
}

struct Fusion {
  bool bias = false, add = false, relu = false;
};

}  // namespace

TEMPLATE_TEST_CASE("winograd forward agrees with the definition", "[conv]", float, bfloat16) {
  Convolution convolution(ConvAlgorithm::Winograd);
  Queue queue;
  for (const ConvShape& s : kShapes) {
    const int tile = tile_of<TestType>(s);
    REQUIRE(convolution.describe(s, dtype_of<TestType>()) ==
            fmt::format("winograd F({0}x{0},3x3){1}", tile, s.stride == 2 ? " stride 2" : ""));
    const auto x = seeded_uniform<TestType>(s.input_count(), 1), w = seeded_uniform<TestType>(s.weight_count(), 2);
    const auto add = seeded_uniform<TestType>(s.output_count(), 3);
    const auto bias = seeded_uniform<float>(s.out_c, 4);
    const auto mag = oracle::winograd_mag_forward(s, tile, to_double(x), to_double(w));
    for (const Fusion fusion : {Fusion{}, {.bias = true, .relu = true}, {.bias = true, .add = true, .relu = true}}) {
      CAPTURE(s.batch, s.in_h, s.in_w, s.in_c, s.out_c, s.stride, s.pad.h, fusion.bias, fusion.add, fusion.relu);
      Guarded<TestType> y(s.output_count());
      convolution.forward(queue, s, dtype_of<TestType>(),
                          {x.data(),
                           {w.data()},
                           fusion.bias ? bias.data() : nullptr,
                           fusion.add ? add.data() : nullptr,
                           fusion.relu,
                           y.data()});
      auto expected = oracle::conv_forward(s, to_double(x), to_double(w), fusion.bias ? to_double(bias) : Values{},
                                           fusion.add ? to_double(add) : Values{}, fusion.relu);
      add_mag(expected, mag);
      CHECK_CLOSE(y.values(), expected, oracle::winograd_roundings(s.in_c));
    }
  }
}

TEMPLATE_TEST_CASE("winograd data gradient agrees with the definition", "[conv]", float, bfloat16) {
  Convolution convolution(ConvAlgorithm::Winograd);
  Queue queue;
  for (const ConvShape& s : kShapes) {
    const auto dy = seeded_uniform<TestType>(s.output_count(), 1), w = seeded_uniform<TestType>(s.weight_count(), 2);
    const auto before = seeded_uniform<TestType>(s.input_count(), 3);
    auto masks = seeded_uniform<TestType>(s.input_count(), 4);
    for (auto& m : masks) m = std::max(static_cast<float>(m), 0.f);
    const auto mag = oracle::winograd_mag_backward_data(s, tile_of<TestType>(s), to_double(dy), to_double(w));
    for (const bool mask : {false, true})
      for (const bool accumulate : {false, true}) {
        CAPTURE(s.batch, s.in_h, s.in_w, s.in_c, s.out_c, s.stride, s.pad.h, mask, accumulate);
        Guarded<TestType> dx(before);
        convolution.backward_data(queue, s, dtype_of<TestType>(),
                                  {dy.data(), {w.data()}, mask ? masks.data() : nullptr, accumulate, dx.data()});
        auto expected =
            oracle::conv_backward_data(s, to_double(dy), to_double(w), {}, accumulate ? to_double(before) : Values{});
        add_mag(expected, mag);
        for (size_t i = 0; mask && i < masks.size(); ++i)
          if (masks[i] <= 0) expected.ref[i] = expected.mag[i] = 0;
        CHECK_CLOSE(dx.values(), expected, oracle::winograd_roundings(s.out_c));
      }
  }
}

TEMPLATE_TEST_CASE("winograd weight gradient agrees with the definition", "[conv]", float, bfloat16) {
  Convolution convolution(ConvAlgorithm::Winograd);
  Queue queue;
  for (const ConvShape& s : kShapes) {
    const auto x = seeded_uniform<TestType>(s.input_count(), 1), dy = seeded_uniform<TestType>(s.output_count(), 2);
    const auto before = seeded_uniform<float>(s.weight_count(), 3), dbias_before = seeded_uniform<float>(s.out_c, 4);
    const auto mag = oracle::winograd_mag_backward_weight(s, tile_of<TestType>(s), to_double(x), to_double(dy));
    const double roundings = oracle::winograd_roundings(oracle::winograd_weight_terms(s, tile_of<TestType>(s)));
    const double positions = double(s.batch) * s.out_h() * s.out_w();
    for (const bool accumulate : {false, true}) {
      CAPTURE(s.batch, s.in_h, s.in_w, s.in_c, s.out_c, s.stride, s.pad.h, accumulate);
      Guarded<float> dweight(before), dbias(dbias_before);
      convolution.backward_weight(queue, s, dtype_of<TestType>(),
                                  {x.data(), dy.data(), accumulate, dweight.data(), dbias.data()});
      auto expected =
          oracle::conv_backward_weight(s, to_double(x), to_double(dy), accumulate ? to_double(before) : Values{});
      add_mag(expected, mag);
      CHECK_CLOSE(dweight.values(), expected, roundings);
      const auto expected_bias =
          oracle::conv_bias_gradient(s, to_double(dy), accumulate ? to_double(dbias_before) : Values{});
      CHECK_CLOSE(dbias.values(), expected_bias, positions + 1);
    }
  }
}

TEST_CASE("winograd errs little more than the direct form", "[conv]") {
  const ConvShape s{1, 24, 24, 64, 64, 3, 3, 1, 1};
  const auto x = seeded_uniform<float>(s.input_count(), 1), w = seeded_uniform<float>(s.weight_count(), 2);
  const auto expected = oracle::conv_forward(s, to_double(x), to_double(w), {}, {}, false);
  Queue queue;
  std::vector<float> winograd(s.output_count());
  Convolution(ConvAlgorithm::Winograd)
      .forward(queue, s, DType::F32, {x.data(), {w.data()}, nullptr, nullptr, false, winograd.data()});
  const auto error = [&](const std::vector<float>& y) {
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += std::pow(y[i] - expected.ref[i], 2);
    return std::sqrt(sum / y.size());
  };
  // Four times: what the interpolation points are chosen for (the usual 0, ±1, ±2 would exceed it). The direct form is
  // the definition's, since oneDNN's partial sums, and so its errors, are each CPU's own.
  CHECK(error(winograd) <= 4 * error(oracle::conv_forward_fp32(s, x, w)));
}

TEST_CASE("winograd determinism: the same bits for any number of threads", "[conv]") {
  const int stride = GENERATE(1, 2);
  const ConvShape s{1, 50, 37, 24, 72, 3, 3, stride, 1};
  const auto x = seeded_uniform<float>(s.input_count(), 1), w = seeded_uniform<float>(s.weight_count(), 2);
  const auto dy = seeded_uniform<float>(s.output_count(), 3);
  check_same_bits_for_any_thread_count([&] {
    Queue queue;
    Convolution convolution(ConvAlgorithm::Winograd);
    std::vector<float> y(s.output_count()), dx(s.input_count()), dweight(s.weight_count());
    convolution.forward(queue, s, DType::F32, {x.data(), {w.data()}, nullptr, nullptr, false, y.data()});
    convolution.backward_data(queue, s, DType::F32, {dy.data(), {w.data()}, nullptr, false, dx.data()});
    convolution.backward_weight(queue, s, DType::F32, {x.data(), dy.data(), false, dweight.data(), nullptr});
    return bytes_of(y, dx, dweight);
  });
}

TEST_CASE("winograd is taken where it applies and pays, unless told otherwise", "[conv]") {
  const ConvShape head{1, 50, 50, 64, 64, 3, 3, 1, 1}, strided{1, 50, 50, 64, 64, 3, 3, 2, 1};
  const ConvShape narrow_strided{1, 50, 50, 8, 8, 3, 3, 2, 1}, tiny_strided{1, 8, 8, 64, 64, 3, 3, 2, 1};
  const ConvShape narrow{1, 50, 50, 8, 8, 3, 3, 1, 1}, tiny{1, 4, 4, 64, 64, 3, 3, 1, 1};
  const ConvShape grouped{1, 50, 50, 64, 64, 3, 3, 1, 1, 2}, pointwise{1, 50, 50, 64, 64};
  Convolution convolution, direct(ConvAlgorithm::Direct);
  const auto by_winograd = [&](const ConvShape& shape, ConvPass pass) {
    return convolution.describe(shape, DType::F32, pass).starts_with("winograd");
  };
  for (const ConvPass pass : {ConvPass::Forward, ConvPass::BackwardData, ConvPass::BackwardWeight}) {
    CHECK(by_winograd(head, pass));
    const bool wide = direct.describe(strided, DType::F32, pass).find("avx512") != std::string::npos;
    CHECK(by_winograd(strided, pass) != wide);  // with AVX-512 the direct form is a good one
    for (const ConvShape& shape : {narrow, tiny, narrow_strided, tiny_strided, grouped, pointwise})
      CHECK_FALSE(by_winograd(shape, pass));
  }
  convolution.set_algorithm(ConvAlgorithm::Direct);
  CHECK_FALSE(by_winograd(head, ConvPass::Forward));
}
