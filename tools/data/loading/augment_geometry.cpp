// The augmentations that move pixels.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "kernels/error.h"
#include "tools/data/loading/augment.h"

namespace fovea {

namespace {

Image image_of_size(int width, int height) { return {width, height, std::vector<uint8_t>(size_t{3} * width * height)}; }

const uint8_t* pixel(const Image& image, int x, int y) {
  return image.rgb.data() + (size_t{3} * image.width * y + 3 * x);
}
uint8_t* pixel(Image& image, int x, int y) { return image.rgb.data() + (size_t{3} * image.width * y + 3 * x); }

LabeledImage with_image(const LabeledImage& picture, Image image) {
  LabeledImage out{std::make_shared<const Image>(std::move(image)), picture.objects, picture.full, picture.divisor};
  return out;
}

// A picture made of pictures decoded at their own scales has its pixels as they are.
void full_size_is_own(LabeledImage& picture) {
  picture.divisor = 1;
  picture.full = {picture.image->height, picture.image->width};
}

// Copies the area of `source` that begins at (from_x, from_y) to (x, y).
void copy_area(Image& out, int x, int y, int width, int height, const Image& source, int from_x, int from_y) {
  for (int row = 0; row < height; ++row)
    std::memcpy(pixel(out, x, y + row), pixel(source, from_x, from_y + row), size_t{3} * width);
}

void move_objects(std::vector<Object>& objects, double scale_x, double scale_y, double x, double y) {
  for (Object& o : objects) {
    o.x1 = static_cast<float>(o.x1 * scale_x + x);
    o.x2 = static_cast<float>(o.x2 * scale_x + x);
    o.y1 = static_cast<float>(o.y1 * scale_y + y);
    o.y2 = static_cast<float>(o.y2 * scale_y + y);
  }
}

}  // namespace

LabeledImage flipped_horizontally(const LabeledImage& picture) {
  Image image = image_of_size(picture.image->width, picture.image->height);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      std::copy_n(pixel(*picture.image, image.width - 1 - x, y), 3, pixel(image, x, y));
  const auto width = static_cast<float>(image.width);
  LabeledImage out = with_image(picture, std::move(image));
  for (Object& o : out.objects) {
    const float x1 = width - o.x2;
    o.x2 = width - o.x1;
    o.x1 = x1;
  }
  return out;
}

LabeledImage flipped_vertically(const LabeledImage& picture) {
  Image image = image_of_size(picture.image->width, picture.image->height);
  for (int y = 0; y < image.height; ++y)
    copy_area(image, 0, y, image.width, 1, *picture.image, 0, image.height - 1 - y);
  const auto height = static_cast<float>(image.height);
  LabeledImage out = with_image(picture, std::move(image));
  for (Object& o : out.objects) {
    const float y1 = height - o.y2;
    o.y2 = height - o.y1;
    o.y1 = y1;
  }
  return out;
}

LabeledImage cropped(const LabeledImage& picture, const CropArea& area) {
  require(area.width > 0 && area.height > 0 && area.x >= 0 && area.y >= 0 &&
              area.x + area.width <= picture.image->width && area.y + area.height <= picture.image->height,
          "a crop extends beyond the image");
  Image image = image_of_size(area.width, area.height);
  copy_area(image, 0, 0, area.width, area.height, *picture.image, area.x, area.y);
  LabeledImage out = with_image(picture, std::move(image));
  out.full = {area.height * picture.divisor, area.width * picture.divisor};
  move_objects(out.objects, 1, 1, -area.x, -area.y);
  keep_visible(out.objects, area.width, area.height);
  return out;
}

// ---- rotation

namespace {

// Where an output pixel's color comes from, in 2^-32 pixels of the source; and weights of 2^-11, so that two of them
// times a channel fit into 32 bits.
constexpr int kPlaces = 32, kBlendBits = 11;
constexpr int32_t kOne = 1 << kBlendBits;

struct Bilinear {
  const Image& image;
  Rgb fill;

  const uint8_t* at(int64_t x, int64_t y) const {
    const bool inside = x >= 0 && y >= 0 && x < image.width && y < image.height;
    return inside ? pixel(image, static_cast<int>(x), static_cast<int>(y)) : fill.data();
  }
  void operator()(int64_t x, int64_t y, uint8_t* out) const {
    const int64_t left = x >> kPlaces, top = y >> kPlaces;
    const auto part = [](int64_t v) {
      return static_cast<int32_t>((v & ((int64_t{1} << kPlaces) - 1)) >> (kPlaces - kBlendBits));
    };
    const int32_t right = part(x), bottom = part(y);
    const uint8_t *a, *b, *c, *d;
    if (left >= 0 && top >= 0 && left + 1 < image.width && top + 1 < image.height) {
      a = pixel(image, static_cast<int>(left), static_cast<int>(top));
      b = a + 3;
      c = a + size_t{3} * image.width;
      d = c + 3;
    } else {
      a = at(left, top);
      b = at(left + 1, top);
      c = at(left, top + 1);
      d = at(left + 1, top + 1);
    }
    for (int i = 0; i < 3; ++i) {
      const int32_t upper = a[i] * (kOne - right) + b[i] * right, lower = c[i] * (kOne - right) + d[i] * right;
      out[i] = static_cast<uint8_t>(
          (int64_t{upper} * (kOne - bottom) + int64_t{lower} * bottom + (int64_t{1} << (2 * kBlendBits - 1))) >>
          (2 * kBlendBits));
    }
  }
};

}  // namespace

LabeledImage rotated(const LabeledImage& picture, double degrees, Rgb fill) {
  const Image& source = *picture.image;
  const double angle = degrees * std::numbers::pi / 180, cosine = std::cos(angle), sine = std::sin(angle);
  const double center_x = source.width / 2., center_y = source.height / 2.;
  Image image = image_of_size(source.width, source.height);
  const Bilinear bilinear{source, fill};
  const auto fixed = [](double value) { return static_cast<int64_t>(std::llround(std::ldexp(value, kPlaces))); };
  const int64_t step_x = fixed(cosine), step_y = fixed(-sine);
  for (int row = 0; row < image.height; ++row) {
    const double dx = 0.5 - center_x, dy = row + 0.5 - center_y;
    int64_t x = fixed(cosine * dx + sine * dy + center_x - 0.5), y = fixed(-sine * dx + cosine * dy + center_y - 0.5);
    uint8_t* out = pixel(image, 0, row);
    for (int column = 0; column < image.width; ++column, x += step_x, y += step_y, out += 3) bilinear(x, y, out);
  }
  LabeledImage out = with_image(picture, std::move(image));
  for (Object& o : out.objects) {
    const double half_width = (double{o.x2} - o.x1) / 2, half_height = (double{o.y2} - o.y1) / 2;
    const double dx = o.x1 + half_width - center_x, dy = o.y1 + half_height - center_y;
    const double x = cosine * dx - sine * dy + center_x, y = sine * dx + cosine * dy + center_y;
    const double reach_x = std::abs(cosine) * half_width + std::abs(sine) * half_height;
    const double reach_y = std::abs(sine) * half_width + std::abs(cosine) * half_height;
    o.x1 = static_cast<float>(x - reach_x);
    o.x2 = static_cast<float>(x + reach_x);
    o.y1 = static_cast<float>(y - reach_y);
    o.y2 = static_cast<float>(y + reach_y);
  }
  keep_visible(out.objects, source.width, source.height);
  return out;
}

// ---- several pictures in one

LabeledImage mosaic(const std::array<LabeledImage, 4>& pictures, int x, int y) {
  const int width = pictures[0].image->width, height = pictures[0].image->height;
  require(x >= 0 && y >= 0 && x <= width && y <= height, "a mosaic's center lies outside the image");
  Image image = image_of_size(width, height);
  std::vector<Object> objects;
  for (size_t i = 0; i < pictures.size(); ++i) {
    const bool right = i % 2 == 1, lower = i / 2 == 1;
    const int part_width = right ? width - x : x, part_height = lower ? height - y : y;
    if (part_width == 0 || part_height == 0) continue;
    const Image& source = *pictures[i].image;
    const double scale =
        std::max(part_width / static_cast<double>(source.width), part_height / static_cast<double>(source.height));
    const int scaled_width = std::max(part_width, static_cast<int>(std::lround(source.width * scale)));
    const int scaled_height = std::max(part_height, static_cast<int>(std::lround(source.height * scale)));
    // The part is a window on the scaled picture, whose corner at (x, y) is the picture's own.
    const int window_x = right ? 0 : scaled_width - part_width, window_y = lower ? 0 : scaled_height - part_height;
    const int left = right ? x : 0, top = lower ? y : 0;
    copy_area(image, left, top, part_width, part_height, resampled(source, scaled_width, scaled_height), window_x,
              window_y);
    std::vector<Object> own = pictures[i].objects;
    move_objects(own, scaled_width / static_cast<double>(source.width),
                 scaled_height / static_cast<double>(source.height), -window_x, -window_y);
    keep_visible(own, part_width, part_height);
    move_objects(own, 1, 1, left, top);
    objects.insert(objects.end(), own.begin(), own.end());
  }
  LabeledImage out{std::make_shared<const Image>(std::move(image)), std::move(objects)};
  full_size_is_own(out);
  return out;
}

LabeledImage mixed(const LabeledImage& a, const LabeledImage& b, double share) {
  const Image& below = *a.image;
  const double scale =
      std::min(below.width / static_cast<double>(b.image->width), below.height / static_cast<double>(b.image->height));
  const auto side = [&](int of_b, int of_a) {
    return std::clamp(static_cast<int>(std::lround(of_b * scale)), 1, of_a);
  };
  const Image above = resampled(*b.image, side(b.image->width, below.width), side(b.image->height, below.height));
  constexpr int kBits = 16;
  const int of_a = static_cast<int>(std::lround(std::ldexp(share, kBits))), of_b = (1 << kBits) - of_a;
  Image image = below;
  for (int y = 0; y < above.height; ++y) {
    uint8_t* out = pixel(image, 0, y);
    const uint8_t* in = pixel(above, 0, y);
    for (int i = 0; i < 3 * above.width; ++i)
      out[i] = static_cast<uint8_t>((out[i] * of_a + in[i] * of_b + (1 << (kBits - 1))) >> kBits);
  }
  LabeledImage out = with_image(a, std::move(image));
  std::vector<Object> objects = b.objects;
  move_objects(objects, above.width / static_cast<double>(b.image->width),
               above.height / static_cast<double>(b.image->height), 0, 0);
  keep_visible(objects, below.width, below.height);
  out.objects.insert(out.objects.end(), objects.begin(), objects.end());
  return out;
}

}  // namespace fovea
