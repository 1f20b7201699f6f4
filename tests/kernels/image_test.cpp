#include "kernels/image.h"

#include <cstring>

#include "tests/support/golden.h"
#include "tests/support/pointwise_oracle.h"
#include "tests/support/seeded.h"
#include "tests/support/spatial_oracle.h"

using namespace fovea;
using namespace fovea::test;

namespace {

struct Case {
  int height, width, out_h, out_w, slot_h, slot_w, slot_channels;
  bool flip, antialias;
};

const auto kCases = std::vector<Case>{{1, 1, 1, 1, 1, 1, 3, false, false},
                                      {1, 1, 3, 4, 4, 4, 8, true, true},
                                      {5, 7, 5, 7, 8, 8, 3, false, false},
                                      {9, 13, 20, 29, 32, 32, 8, false, false},
                                      {9, 13, 20, 29, 20, 29, 4, true, true},
                                      {31, 45, 13, 17, 16, 32, 8, false, false},
                                      {31, 45, 13, 17, 16, 32, 8, true, true},
                                      {40, 6, 3, 11, 3, 11, 3, false, true},
                                      {2, 2600, 3, 1900, 3, 1920, 3, true, false},  // rows of several stretches
                                      {5, 2600, 2, 1900, 3, 1920, 3, true, true},
                                      {3, 2600, 2, 3, 2, 4, 3, false, true},  // more pixels an output than one takes
                                      {3, 2600, 2, 3, 2, 4, 3, false, false}};

std::vector<uint8_t> seeded_image(int height, int width) {
  std::mt19937 random(7);
  std::vector<uint8_t> image(size_t(height) * width * 3);
  for (uint8_t& v : image) v = static_cast<uint8_t>(random());
  return image;
}

kernels::SourceImage source(const Case& c, const uint8_t* pixels) {
  return {pixels, c.height, c.width, c.out_h, c.out_w, c.flip ? 1 : 0};
}

template <class T>
kernels::PreprocessArgs<T> arguments(const Case& c, const std::vector<kernels::SourceImage>& images, T* slots) {
  return {.images = images.data(),
          .batch = static_cast<int>(images.size()),
          .mean = {0.485f, 0.456f, 0.406f},
          .inv_std = {1 / 0.229f, 1 / 0.224f, 1 / 0.225f},
          .antialias = c.antialias,
          .slots = slots,
          .slot_h = c.slot_h,
          .slot_w = c.slot_w,
          .slot_channels = c.slot_channels};
}

template <class T>
void run_preprocess(Queue& queue, kernels::PreprocessArgs<T> args) {
  Guarded<uint64_t> workspace(kernels::preprocess_workspace(args) / sizeof(uint64_t));
  args.workspace = workspace.data();
  kernels::preprocess(queue, args);
}

// Weights are exact but for 3 roundings an axis; a product and an addition a tap, an axis; scale and offset with a
// rounding each, · scale, + offset.
double roundings(int in_h, int in_w, int out_h, int out_w, bool antialias) {
  const auto taps = [&](int in, int out) { return antialias && in > out ? 2.0 * in / out + 1 : 2.0; };
  return 2 * 3 + taps(in_h, out_h) + taps(in_w, out_w) + 2 + 3;
}

}  // namespace

TEMPLATE_TEST_CASE("preprocessing agrees with its definition", "[image]", float, bfloat16) {
  using T = TestType;
  const Case c = GENERATE(from_range(kCases));
  CAPTURE(c.height, c.width, c.out_h, c.out_w, c.flip, c.antialias);
  auto pixels = seeded_image(c.height, c.width);
  const auto expected = oracle_preprocess(arguments<float>(c, {source(c, pixels.data())}, nullptr));
  for_each_way_to_run([&](Queue& queue) {
    Guarded<uint8_t> image(pixels);
    Guarded<T> slot(expected.size());
    const std::vector images{source(c, image.data())};
    run_preprocess(queue, arguments(c, images, slot.data()));
    CHECK_CLOSE(slot.values(), expected, roundings(c.height, c.width, c.out_h, c.out_w, c.antialias));
  });
}

TEST_CASE("a batch of images of different sizes is preprocessed in one pass", "[image]") {
  const bool antialias = GENERATE(false, true);
  const Case cases[] = {{31, 45, 13, 17, 16, 32, 8, false, antialias},
                        {9, 13, 16, 32, 16, 32, 8, true, antialias},
                        {1, 1, 1, 1, 16, 32, 8, false, antialias}};
  std::vector<std::vector<uint8_t>> pixels;
  std::vector<kernels::SourceImage> images;
  double most = 0;
  for (const Case& c : cases) {
    pixels.push_back(seeded_image(c.height, c.width));
    images.push_back(source(c, pixels.back().data()));
    most = std::max(most, roundings(c.height, c.width, c.out_h, c.out_w, antialias));
  }
  const auto expected = oracle_preprocess(arguments<float>(cases[0], images, nullptr));
  for_each_way_to_run([&](Queue& queue) {
    Guarded<float> slots(expected.size());
    run_preprocess(queue, arguments(cases[0], images, slots.data()));
    CHECK_CLOSE(slots.values(), expected, most);
  });
}

TEST_CASE("pixels of any form and row stride give what RGB without gaps gives, bit for bit", "[image]") {
  const kernels::PixelForm form = GENERATE(kernels::PixelForm{3, 2, 1, 0}, kernels::PixelForm{4, 0, 1, 2},
                                           kernels::PixelForm{4, 2, 1, 0}, kernels::PixelForm{3, 0, 1, 2});
  const Case c = GENERATE(from_range(kCases));
  const int gap = GENERATE(0, 7);
  CAPTURE(c.height, c.width, c.antialias, gap, int{form.bytes}, int{form.red});
  const auto rgb = seeded_image(c.height, c.width);
  const size_t row = size_t(c.width) * form.bytes + gap;
  std::vector<uint8_t> other(row * c.height, 77);
  for (size_t y = 0; y < size_t(c.height); ++y)
    for (size_t x = 0; x < size_t(c.width); ++x) {
      const uint8_t* from = &rgb[3 * (y * c.width + x)];
      uint8_t* to = &other[y * row + x * form.bytes];
      to[form.red] = from[0];
      to[form.green] = from[1];
      to[form.blue] = from[2];
    }
  const std::vector plain{source(c, rgb.data())};
  std::vector moved{source(c, other.data())};
  moved[0].form = form;
  moved[0].row_stride = static_cast<int64_t>(row);
  const size_t values = size_t(c.slot_h) * c.slot_w * c.slot_channels;
  for_each_way_to_run([&](Queue& queue) {
    Guarded<float> expected(values), slots(values);
    run_preprocess(queue, arguments(c, plain, expected.data()));
    run_preprocess(queue, arguments(c, moved, slots.data()));
    CHECK(slots.values() == expected.values());
  });
}

TEST_CASE("golden: preprocessing agrees with torchvision", "[image]") {
  const std::string kind = GENERATE("up", "down");
  CAPTURE(kind);
  const auto file = golden("resize");
  const auto pixels = file.read<uint8_t>("image_hwc");
  const auto size = file.read<int32_t>(kind + ".size");
  const auto shape = file.at(kind + ".nchw").shape;
  const auto nchw = file.read<float>(kind + ".nchw");
  const auto image_shape = file.at("image_hwc").shape;
  const int slot_h = static_cast<int>(shape[2]), slot_w = static_cast<int>(shape[3]);
  const Case c{static_cast<int>(image_shape[0]),
               static_cast<int>(image_shape[1]),
               size[0],
               size[1],
               slot_h,
               slot_w,
               8,
               false,
               false};
  std::vector<float> slot(size_t(slot_h) * slot_w * 8, -1.f);
  TestQueue queue;
  const std::vector images{source(c, pixels.data())};
  run_preprocess(queue, arguments(c, images, slot.data()));
  // PyTorch computes the source coordinate in fp32: 2 roundings of a coordinate up to the image's size move the value
  // by that times the contrast of two neighbors, at most 1 / std; besides that, both sides round like the kernel.
  const double coordinate = 3 * 0x1p-24 * std::max(c.height, c.width), contrast = 1 / 0.224;
  double worst = 0;
  for (int h = 0; h < slot_h; ++h)
    for (int w = 0; w < slot_w; ++w)
      for (int k = 0; k < 8; ++k) {
        const double expected = k < 3 ? nchw[(size_t(k) * slot_h + h) * slot_w + w] : 0;
        worst = std::max(worst, std::abs(slot[(size_t(h) * slot_w + w) * 8 + k] - expected));
      }
  CHECK(worst <= 2 * coordinate * contrast + 2 * roundings(1, 1, 1, 1, false) * 0x1p-24 * 3);
}

TEST_CASE("an image that is empty or larger than its slot is refused", "[image][fault]") {
  CHECK_THROWS_WITH(kernels::require_fits({nullptr, 4, 4, 9, 9, 0}, 8, 16), Catch::Contains("slot"));
  CHECK_THROWS_WITH(kernels::require_fits({nullptr, 4, 0, 9, 9, 0}, 16, 16), Catch::Contains("empty"));
  CHECK_NOTHROW(kernels::require_fits({nullptr, 4, 4, 8, 16, 0}, 8, 16));
}

TEST_CASE("boxes are scaled and flipped with their image", "[image]") {
  constexpr size_t kMost = 7;
  const std::vector<kernels::SourceImage> images{{nullptr, 333, 500, 800, 1201, 0}, {nullptr, 640, 480, 32, 24, 1}};
  const std::vector<int32_t> counts{5, 3};
  const auto given = seeded_uniform<float>(2 * kMost * 4, 5, 0, 400);
  const bool in_place = GENERATE(false, true);
  for_each_way_to_run([&](Queue& queue) {
    Guarded<float> boxes(given), others(given.size());
    float* out = in_place ? boxes.data() : others.data();
    const std::vector<float> before(out, out + given.size());
    kernels::transform_boxes(queue, {images.data(), counts.data(), 2, kMost, boxes.data(), out});
    for (size_t n = 0; n < 2; ++n) {
      const kernels::SourceImage& image = images[n];
      const size_t used = counts[n] * 4, first = n * kMost * 4;
      Reference expected(used);
      for (size_t i = 0; i < used; ++i) {
        const bool vertical = i % 2 == 1, flipped = image.flip != 0 && !vertical;
        const double scale = vertical ? double{1} * image.out_h / image.height : double{1} * image.out_w / image.width;
        const double v = given[first + (flipped ? i ^ 2 : i)] * scale;
        if (flipped) expected.add(i, image.out_w);
        expected.add(i, flipped ? -v : v);
      }
      // Ratio, product, difference.
      CHECK_CLOSE(std::vector<float>(out + first, out + first + used), expected, 3);
      for (size_t i = used; i < kMost * 4; ++i)
        CHECK(std::memcmp(&out[first + i], &before[first + i], sizeof(float)) == 0);
    }
  });
}
