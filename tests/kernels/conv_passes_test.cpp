// The passes around cuDNN's convolutions against what they are meant to compute, element by element.
#include "kernels/conv/conv_passes.h"

#include "tests/support/catch.h"
#include "tests/support/conv_oracle.h"
#include "tests/support/seeded.h"
#include "tests/support/tolerance.h"

using namespace fovea;
using namespace fovea::test;
using kernels::ConvShape;

namespace {

struct RowCase {
  int64_t rows;
  int from_channels, channels;
};
// Rows that are shorter than a pack, longer than one, no multiple, equal, one element, none.
const RowCase kCrops[] = {{5, 8, 3}, {3, 824, 819}, {7, 40, 36}, {9, 16, 16}, {1, 8, 1}, {0, 8, 8}, {2, 33, 33}};

template <class T>
std::vector<T> with_zeros(std::vector<T> values) {  // as a ReLU leaves them
  for (size_t i = 0; i < values.size(); i += 3) values[i] = static_cast<T>(0.f);
  return values;
}

}  // namespace

TEMPLATE_TEST_CASE("padding channels copies what is there and is zero beyond it", "[conv_passes]", float, bfloat16) {
  struct Case {
    int64_t from_rows, rows;
    int from_channels, channels;
  };
  for (const Case c :
       {Case{6, 6, 3, 8}, {4, 9, 819, 824}, {5, 5, 36, 40}, {1, 1, 64, 64}, {3, 4, 7, 7}, {0, 2, 5, 8}}) {
    CAPTURE(c.from_rows, c.rows, c.from_channels, c.channels);
    const auto input = seeded_uniform<TestType>(c.from_rows * c.from_channels, 1);
    for_each_way_to_run([&](Queue& queue) {
      Guarded<TestType> from(input), to(c.rows * c.channels);
      kernels::pad_channels(queue, c.from_rows, c.rows, c.from_channels, c.channels, from.data(), to.data());
      const auto out = to.values();
      int64_t wrong = 0;
      for (int64_t i = 0; i < c.rows * c.channels; ++i) {
        const int64_t row = i / c.channels, channel = i % c.channels;
        const bool inside = row < c.from_rows && channel < c.from_channels;
        wrong += float(out[i]) != (inside ? float(input[row * c.from_channels + channel]) : 0.f);
      }
      CHECK(wrong == 0);
    });
  }
}

TEST_CASE("padding a bias rounds it to bf16", "[conv_passes]") {
  const auto bias = seeded_uniform<float>(36, 2);
  for_each_way_to_run([&](Queue& queue) {
    Guarded<float> from(bias);
    Guarded<bfloat16> to(40);
    kernels::pad_channels(queue, 1, 1, 36, 40, from.data(), to.data());
    const auto out = to.values();
    for (int c = 0; c < 40; ++c) CHECK(float(out[c]) == (c < 36 ? float(bfloat16(bias[c])) : 0.f));
  });
}

TEMPLATE_TEST_CASE("finishing a forward pass crops it, adds, and is a ReLU", "[conv_passes]", float, bfloat16) {
  for (const RowCase c : kCrops)
    for (const bool has_add : {false, true})
      for (const bool has_bias : {false, true})
        for (const bool relu : {false, true}) {
          CAPTURE(c.rows, c.from_channels, c.channels, has_add, has_bias, relu);
          const int64_t n = c.rows * c.channels;
          const auto values = seeded_uniform<TestType>(c.rows * c.from_channels, 1);
          const auto adds = seeded_uniform<TestType>(n, 2);
          const auto biases = seeded_uniform<float>(c.channels, 3);
          Reference expected(n);
          for (int64_t i = 0; i < n; ++i) {
            expected.add(i, values[i / c.channels * c.from_channels + i % c.channels]);
            if (has_add) expected.add(i, adds[i]);
            if (has_bias) expected.add(i, biases[i % c.channels]);
            if (relu) expected.ref[i] = std::max(expected.ref[i], 0.0);
          }
          for_each_way_to_run([&](Queue& queue) {
            Guarded<TestType> from(values), to(adds);  // adds in place
            Guarded<float> bias(biases);
            kernels::finish_forward(queue, c.rows, c.from_channels, c.channels, from.data(),
                                    has_add ? to.data() : nullptr, has_bias ? bias.data() : nullptr, relu, to.data());
            CHECK_CLOSE(to.values(), expected, 2);  // two additions
          });
        }
}

namespace {

template <class From, class To>
void check_finish_gradient() {
  for (const RowCase c : kCrops)
    for (const bool accumulate : {false, true})
      for (const bool has_mask : {false, true}) {
        CAPTURE(c.rows, c.from_channels, c.channels, accumulate, has_mask);
        const int64_t n = c.rows * c.channels;
        const auto values = seeded_uniform<From>(c.rows * c.from_channels, 1);
        const auto before = seeded_uniform<To>(n, 2), masks = with_zeros(seeded_uniform<To>(n, 3));
        Reference expected(n);
        for (int64_t i = 0; i < n; ++i) {
          if (has_mask && float(masks[i]) <= 0) continue;
          expected.add(i, values[i / c.channels * c.from_channels + i % c.channels]);
          if (accumulate) expected.add(i, before[i]);
        }
        for_each_way_to_run([&](Queue& queue) {
          Guarded<From> from(values);
          Guarded<To> to(before), mask(masks);
          kernels::finish_gradient<From, To>(queue, c.rows, c.from_channels, c.channels, from.data(),
                                             has_mask ? mask.data() : nullptr, accumulate, to.data());
          CHECK_CLOSE(to.values(), expected, 1);  // one addition
        });
      }
}

}  // namespace

TEST_CASE("finishing a gradient crops it, adds it to what is there, and masks the sum", "[conv_passes]") {
  check_finish_gradient<float, float>();
  check_finish_gradient<bfloat16, bfloat16>();
  check_finish_gradient<bfloat16, float>();
}

// Space to depth has to be the same convolution: its terms are those of the definition, in the same dtype.
TEMPLATE_TEST_CASE("a strided convolution of few channels as space to depth is the same convolution", "[conv_passes]",
                   float, bfloat16) {
  for (const ConvShape s : {ConvShape{2, 12, 14, 3, 4, 7, 7, 2, 3, 1},  // the stem
                            ConvShape{1, 11, 9, 3, 5, 7, 7, 2, 3, 1},   // odd images
                            ConvShape{1, 8, 8, 4, 3, 3, 3, 2, 1, 1}, ConvShape{1, 6, 7, 1, 2, 2, 4, 2, 0, 1},
                            ConvShape{1, 1, 1, 2, 2, 3, 3, 2, 1, 1}}) {
    CAPTURE(s.in_h, s.in_w, s.in_c, s.kernel_h, s.kernel_w, s.pad.h);
    REQUIRE(kernels::uses_space_to_depth(s));
    const ConvShape deep = kernels::space_to_depth_shape(s);
    REQUIRE(deep.in_c % 8 == 0);
    REQUIRE(deep.out_h() == s.out_h());
    REQUIRE(deep.out_w() == s.out_w());
    const auto x = seeded_uniform<TestType>(s.input_count(), 1), w = seeded_uniform<TestType>(s.weight_count(), 2),
               dy = seeded_uniform<TestType>(s.output_count(), 3);
    const auto before = seeded_uniform<float>(s.weight_count(), 4);
    const auto doubles = [](const auto& v) { return oracle::Values(v.begin(), v.end()); };
    for_each_way_to_run([&](Queue& queue) {
      Guarded<TestType> image(x), weights(w), folded_image(deep.input_count()), folded_weights(deep.weight_count());
      kernels::space_to_depth(queue, s, image.data(), folded_image.data());
      kernels::space_to_depth_weights(queue, s, weights.data(), folded_weights.data());
      const auto y =
          oracle::conv_forward(deep, doubles(folded_image.values()), doubles(folded_weights.values()), {}, {}, false);
      const auto expected = oracle::conv_forward(s, doubles(x), doubles(w), {}, {}, false);
      // The sums are in fp64 on both sides, in another order.
      CHECK(disagreement<double>(y.ref, expected, double(deep.weight_count()), epsilon_of<double>()) == "");

      const auto gradient = oracle::conv_backward_weight(deep, doubles(folded_image.values()), doubles(dy), {});
      std::vector<float> folded_gradient(gradient.ref.begin(), gradient.ref.end());
      Guarded<float> from(folded_gradient), dweight(before);
      kernels::depth_to_space_weight_gradient(queue, s, from.data(), true, dweight.data());
      // fp32: the gradient rounded once, and one addition.
      CHECK_CLOSE(dweight.values(), oracle::conv_backward_weight(s, doubles(x), doubles(dy), doubles(before)), 2);
      kernels::depth_to_space_weight_gradient(queue, s, from.data(), false, dweight.data());
      CHECK_CLOSE(dweight.values(), oracle::conv_backward_weight(s, doubles(x), doubles(dy), {}), 2);
    });
  }
}

namespace {

// Strides 2 and 3; odd and even images, one pixel; channels that are a pack, several, none.
const ConvShape kStrided[] = {{2, 8, 6, 16, 8, 1, 1, 2, 0, 1},
                              {1, 7, 9, 24, 8, 1, 1, 2, 0, 1},
                              {3, 1, 1, 8, 8, 1, 1, 2, 0, 1},
                              {1, 10, 5, 5, 8, 1, 1, 3, 0, 1},
                              {2, 2, 3, 12, 8, 1, 1, 4, 0, 1}};

// Where output pixel (n, p, q) looks, by the definition of a convolution.
int64_t looked_at(const ConvShape& s, int n, int p, int q) {
  return ((int64_t{n} * s.in_h + p * s.stride) * s.in_w + q * s.stride) * s.in_c;
}

}  // namespace

TEMPLATE_TEST_CASE("gathering takes the pixels that a strided 1x1 convolution looks at", "[conv_passes]", float,
                   bfloat16) {
  for (const ConvShape& s : kStrided) {
    CAPTURE(s.in_h, s.in_w, s.in_c, s.stride);
    REQUIRE(kernels::gathers(s));
    const ConvShape dense = kernels::gathered(s);
    REQUIRE(dense.output_count() == s.output_count());
    REQUIRE(dense.macs() == s.macs());
    const auto x = seeded_uniform<TestType>(s.input_count(), 1);
    for_each_way_to_run([&](Queue& queue) {
      Guarded<TestType> from(x), to(dense.input_count());
      kernels::gather_pixels(queue, s, from.data(), to.data());
      const auto out = to.values();
      int64_t wrong = 0, i = 0;
      for (int n = 0; n < s.batch; ++n)
        for (int p = 0; p < s.out_h(); ++p)
          for (int q = 0; q < s.out_w(); ++q)
            for (int c = 0; c < s.in_c; ++c) wrong += float(out[i++]) != float(x[looked_at(s, n, p, q) + c]);
      CHECK(wrong == 0);
    });
  }
  CHECK_FALSE(kernels::gathers({1, 8, 8, 16, 16, 1, 1, 1, 0, 1}));
  CHECK_FALSE(kernels::gathers({1, 8, 8, 16, 16, 3, 3, 2, 1, 1}));
  CHECK_FALSE(kernels::gathers({1, 8, 8, 16, 16, 1, 1, 2, 1, 1}));
  CHECK_FALSE(kernels::gathers({1, 8, 8, 16, 16, 1, 1, 2, 0, 2}));
}

TEMPLATE_TEST_CASE("scattering puts or adds a gradient where the convolution looked, and masks the sum",
                   "[conv_passes]", float, bfloat16) {
  for (const ConvShape& s : kStrided)
    for (const bool accumulate : {false, true})
      for (const bool has_mask : {false, true}) {
        CAPTURE(s.in_h, s.in_w, s.in_c, s.stride, accumulate, has_mask);
        const auto values = seeded_uniform<TestType>(kernels::gathered(s).input_count(), 1);
        const auto before = seeded_uniform<TestType>(s.input_count(), 2),
                   masks = with_zeros(seeded_uniform<TestType>(s.input_count(), 3));
        std::vector<double> there(static_cast<size_t>(s.input_count()));
        int64_t i = 0;
        for (int n = 0; n < s.batch; ++n)
          for (int p = 0; p < s.out_h(); ++p)
            for (int q = 0; q < s.out_w(); ++q)
              for (int c = 0; c < s.in_c; ++c) there[looked_at(s, n, p, q) + c] = float(values[i++]);
        Reference expected(there.size());
        for (size_t at = 0; at < there.size(); ++at) {
          if (has_mask && float(masks[at]) <= 0) continue;
          expected.add(at, there[at]);
          if (accumulate) expected.add(at, before[at]);
        }
        for_each_way_to_run([&](Queue& queue) {
          Guarded<TestType> from(values), mask(masks), dx(before);
          kernels::scatter_pixels<TestType>(queue, s, from.data(), has_mask ? mask.data() : nullptr, accumulate,
                                            dx.data());
          CHECK_CLOSE(dx.values(), expected, 1);  // one addition
        });
      }
}
