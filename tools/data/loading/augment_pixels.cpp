// Colors, and resampling for pictures in pictures.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/error.h"
#include "tools/data/loading/augment.h"

namespace fovea {

namespace {

// A color (r, g, b, 1) in 0 … 255 to a color.
using ColorMatrix = std::array<std::array<double, 4>, 3>;

ColorMatrix after(const ColorMatrix& second, const ColorMatrix& first) {
  ColorMatrix out{};
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 4; ++j)
      for (size_t k = 0; k < 3; ++k) out[i][j] += second[i][k] * first[k][j];
    out[i][3] += second[i][3];
  }
  return out;
}

// The same for each channel.
ColorMatrix scaled_and_shifted(double scale, double shift) {
  ColorMatrix out{};
  for (size_t i = 0; i < 3; ++i) {
    out[i][i] = scale;
    out[i][3] = shift;
  }
  return out;
}

ColorMatrix saturated(double by) {
  constexpr double luma[] = {0.299, 0.587, 0.114};
  ColorMatrix out = scaled_and_shifted(by, 0);
  for (auto& row : out)
    for (size_t j = 0; j < 3; ++j) row[j] += (1 - by) * luma[j];
  return out;
}

// Rodrigues' turn about (1, 1, 1)/√3.
ColorMatrix turned_hue(double degrees) {
  const double angle = degrees * std::numbers::pi / 180, along = (1 - std::cos(angle)) / 3,
               across = std::sin(angle) / std::numbers::sqrt3;
  ColorMatrix out = scaled_and_shifted(std::cos(angle), 0);
  for (size_t i = 0; i < 3; ++i) {
    for (size_t j = 0; j < 3; ++j) out[i][j] += along;
    out[i][(i + 1) % 3] -= across;
    out[i][(i + 2) % 3] += across;
  }
  return out;
}

}  // namespace

LabeledImage recolored(const LabeledImage& picture, const ColorChange& change) {
  const double contrast_shift = 127.5 * (1 - change.contrast);
  ColorMatrix matrix = scaled_and_shifted(1, 255 * change.brightness);
  matrix = after(scaled_and_shifted(change.contrast, contrast_shift), matrix);
  matrix = after(saturated(change.saturation), matrix);
  matrix = after(turned_hue(change.hue), matrix);

  constexpr int kBits = 16;
  int32_t fixed[3][4];
  for (size_t i = 0; i < 3; ++i)
    for (size_t j = 0; j < 4; ++j) fixed[i][j] = static_cast<int32_t>(std::lround(std::ldexp(matrix[i][j], kBits)));
  for (auto& row : fixed) row[3] += 1 << (kBits - 1);  // to the nearest
  const std::vector<uint8_t>& in = picture.image->rgb;
  Image image{picture.image->width, picture.image->height, std::vector<uint8_t>(in.size())};
  for (size_t i = 0; i < in.size(); i += 3) {
    const int32_t r = in[i], g = in[i + 1], b = in[i + 2];
    for (size_t c = 0; c < 3; ++c) {
      const int32_t value = (fixed[c][0] * r + fixed[c][1] * g + fixed[c][2] * b + fixed[c][3]) >> kBits;
      image.rgb[i + c] = static_cast<uint8_t>(std::clamp(value, 0, 255));
    }
  }
  return {std::make_shared<const Image>(std::move(image)), picture.objects, picture.full, picture.divisor};
}

namespace {

constexpr int kWeightBits = 14, kRowBits = 6;  // of weights; of a value between the two passes

// The pixels of one axis that an output pixel is made of, with weights that sum to 2^14.
struct Taps {
  int first;
  std::vector<int32_t> weights;
};

std::vector<Taps> taps_of(int in, int out) {
  const double scale = static_cast<double>(in) / out, reach = std::max(1., scale);
  std::vector<Taps> all(static_cast<size_t>(out));
  for (int o = 0; o < out; ++o) {
    const double center = (o + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(std::floor(center - reach - 0.5)));
    const int last = std::min(in - 1, static_cast<int>(std::ceil(center + reach - 0.5)));
    std::vector<double> weights;
    double sum = 0;
    for (int i = first; i <= last; ++i) {
      weights.push_back(std::max(0., 1 - std::abs(i + 0.5 - center) / reach));
      sum += weights.back();
    }
    Taps& taps = all[static_cast<size_t>(o)];
    taps.first = first;
    int32_t rest = 1 << kWeightBits;
    for (const double weight : weights) {
      taps.weights.push_back(static_cast<int32_t>(std::lround(std::ldexp(weight / sum, kWeightBits))));
      rest -= taps.weights.back();
    }
    *std::max_element(taps.weights.begin(), taps.weights.end()) += rest;  // what rounding left
  }
  return all;
}

}  // namespace

Image resampled(const Image& image, int width, int height) {
  require(width > 0 && height > 0, "an image cannot be resampled to no pixels");
  if (width == image.width && height == image.height) return image;
  const auto columns = taps_of(image.width, width), rows = taps_of(image.height, height);
  const size_t in_stride = size_t{3} * image.width;
  std::vector<int32_t> sums(in_stride);
  Image out{width, height, std::vector<uint8_t>(size_t{3} * width * height)};
  uint8_t* to = out.rgb.data();
  for (const Taps& row : rows) {
    std::fill(sums.begin(), sums.end(), 1 << (kWeightBits - kRowBits - 1));
    for (size_t i = 0; i < row.weights.size(); ++i) {
      const uint8_t* line = image.rgb.data() + in_stride * (static_cast<size_t>(row.first) + i);
      const int32_t weight = row.weights[i];
      for (size_t x = 0; x < in_stride; ++x) sums[x] += weight * line[x];
    }
    for (int32_t& sum : sums) sum >>= kWeightBits - kRowBits;
    for (const Taps& column : columns) {
      int32_t pixel[3];
      std::fill_n(pixel, 3, 1 << (kWeightBits + kRowBits - 1));
      const int32_t* from = sums.data() + size_t{3} * column.first;
      for (const int32_t weight : column.weights)
        for (int32_t& channel : pixel) channel += weight * *from++;
      for (const int32_t value : pixel) *to++ = static_cast<uint8_t>(value >> (kWeightBits + kRowBits));
    }
  }
  return out;
}

}  // namespace fovea
