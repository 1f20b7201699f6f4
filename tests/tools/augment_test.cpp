// Each augmentation against a plain one in double, written from its definition in augment.h.
#include "tools/data/loading/augment.h"

#include <cmath>
#include <numbers>

#include "tests/support/catch.h"

using namespace fovea;

namespace {

Object object(float x1, float y1, float x2, float y2, int label = 0, bool crowd = false) {
  Object o{};
  o.x1 = x1;
  o.y1 = y1;
  o.x2 = x2;
  o.y2 = y2;
  o.label = label;
  o.crowd = crowd;
  return o;
}

LabeledImage noise(int width, int height, uint32_t seed, std::vector<Object> objects = {}) {
  Image image{width, height, std::vector<uint8_t>(size_t{3} * width * height)};
  Random random(seed, stream::kBenchmark);
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(random.next());
  return {std::make_shared<const Image>(std::move(image)), std::move(objects), {height, width}};
}

double at(const Image& image, int x, int y, int c) { return image.rgb[(size_t{3} * image.width * y + 3 * x) + c]; }

void check_boxes(const std::vector<Object>& objects, const std::vector<std::array<double, 5>>& expected) {
  REQUIRE(objects.size() == expected.size());
  for (size_t i = 0; i < objects.size(); ++i) {
    const auto& o = objects[i];
    CAPTURE(i, o.x1, o.y1, o.x2, o.y2, o.label);
    const double given[] = {o.x1, o.y1, o.x2, o.y2};
    // A coordinate is a few fp32 operations on numbers below 128: an ulp of 2^-17 each.
    for (size_t side = 0; side < 4; ++side) CHECK(std::abs(given[side] - expected[i][side]) <= 4 * std::ldexp(1, -17));
    CHECK(o.label == static_cast<int>(expected[i][4]));
  }
}

// Weights along one axis: triangle, as wide as the scale when shrinking.
double triangle(int i, int o, int in, int out) {
  const double scale = static_cast<double>(in) / out, reach = std::max(1., scale);
  return std::max(0., 1 - std::abs(i + 0.5 - (o + 0.5) * scale) / reach);
}

double resampled_at(const Image& image, int width, int height, int x, int y, int c) {
  double sum = 0, weights = 0;
  for (int row = 0; row < image.height; ++row)
    for (int column = 0; column < image.width; ++column) {
      const double weight = triangle(row, y, image.height, height) * triangle(column, x, image.width, width);
      sum += weight * at(image, column, row, c);
      weights += weight;
    }
  return sum / weights;
}

// The bound of resampled(): half a step for the result, 2^-7 for a value between the passes, and weights rounded to
// 2^-14: at most half of that each, and as much together once more on the largest, for two passes of at most 16 taps.
constexpr double kResampled = 0.5 + 0x1p-7 + 2 * 16 * 0x1p-14 * 255;

}  // namespace

TEST_CASE("augment: flips mirror pixels and boxes, and twice is nothing", "[augment]") {
  const LabeledImage picture = noise(7, 5, 1, {object(1, 0, 3, 2, 4), object(0, 1, 7, 5, 2)});
  const LabeledImage across = flipped_horizontally(picture), down = flipped_vertically(picture);
  for (int y = 0; y < 5; ++y)
    for (int x = 0; x < 7; ++x)
      for (int c = 0; c < 3; ++c) {
        REQUIRE(at(*across.image, x, y, c) == at(*picture.image, 6 - x, y, c));
        REQUIRE(at(*down.image, x, y, c) == at(*picture.image, x, 4 - y, c));
      }
  check_boxes(across.objects, {{4, 0, 6, 2, 4}, {0, 1, 7, 5, 2}});
  check_boxes(down.objects, {{1, 3, 3, 5, 4}, {0, 0, 7, 4, 2}});
  CHECK(flipped_vertically(down).image->rgb == picture.image->rgb);
}

TEST_CASE("augment: a crop keeps the boxes whose center it holds, clipped", "[augment]") {
  const LabeledImage picture = noise(20, 10, 2,
                                     {object(4, 2, 8, 6, 1),            // inside
                                      object(1, 1, 6, 5, 2),            // center (3.5, 3): left of it
                                      object(8, 4, 19, 9, 3),           // center (13.5, 6.5) outside
                                      object(9, 3, 13, 9, 4),           // center (11, 6): clipped
                                      object(11.5f, 1, 12.5f, 9, 5),    // half a pixel of its width is left
                                      object(0, 0, 20, 10, 6, true)});  // a region to ignore, seen in part
  const LabeledImage out = cropped(picture, {4, 2, 8, 6});
  REQUIRE(out.image->width == 8);
  REQUIRE(out.image->height == 6);
  for (int y = 0; y < 6; ++y)
    for (int x = 0; x < 8; ++x)
      for (int c = 0; c < 3; ++c) REQUIRE(at(*out.image, x, y, c) == at(*picture.image, x + 4, y + 2, c));
  check_boxes(out.objects, {{0, 0, 4, 4, 1}, {5, 1, 8, 6, 4}, {0, 0, 8, 6, 6}});
  CHECK(out.full == Size2d{6, 8});
}

TEST_CASE("augment: a drawn crop holds an object's center and overlaps with it as much as one of SSD's levels",
          "[augment]") {
  const LabeledImage picture = noise(100, 60, 3, {object(10, 10, 30, 30, 0), object(50, 20, 95, 55, 1)});
  Random random(7, stream::kAugment);
  int drawn = 0;
  double least = 1;
  std::array<int, 4> places{};
  for (int i = 0; i < 2000; ++i) {
    const auto area = draw_crop(picture, 0.3, random);
    if (!area) continue;
    ++drawn;
    CHECK((area->x >= 0 && area->y >= 0 && area->x + area->width <= 100 && area->y + area->height <= 60));
    CHECK((area->width >= 30 && area->height >= 18));
    double best = -1;
    for (const Object& o : picture.objects) {
      const double x = (o.x1 + o.x2) / 2., y = (o.y1 + o.y2) / 2.;
      if (x < area->x || x > area->x + area->width || y < area->y || y > area->y + area->height) continue;
      const double w = std::min<double>(o.x2, area->x + area->width) - std::max<double>(o.x1, area->x);
      const double h = std::min<double>(o.y2, area->y + area->height) - std::max<double>(o.y1, area->y);
      const double both = (o.x2 - o.x1) * (o.y2 - o.y1) + double(area->width) * area->height;
      best = std::max(best, w * h / (both - w * h));
    }
    CHECK(best >= 0);  // a center inside
    CHECK_FALSE(cropped(picture, *area).objects.empty());
    least = std::min(least, best);
    for (size_t level = 0; level < places.size(); ++level)
      places[level] += best >= 0.1 + 0.2 * static_cast<double>(level);
  }
  CHECK(drawn > 1000);
  CHECK(least < 0.1);      // the level 0 is drawn too
  CHECK(places[1] > 200);  // and those above
  CHECK(places[2] > 100);
  CHECK_FALSE(draw_crop(noise(10, 10, 1), 0.3, random));  // nothing to keep
}

TEST_CASE("augment: a rotation takes each pixel from where it was, and boxes go around their turned corners",
          "[augment]") {
  const double degrees = GENERATE(0.0, 7.0, -15.0, 90.0);
  const LabeledImage picture = noise(24, 17, 4, {object(8, 5, 16, 12, 1), object(0, 0, 3, 3, 2)});
  const Rgb fill{10, 200, 60};
  const LabeledImage out = rotated(picture, degrees, fill);
  const double angle = degrees * std::numbers::pi / 180;
  const double weight_error = 2 * 255 * 0x1p-11;  // two weights, cut to 2^-11
  for (int y = 0; y < 17; ++y)
    for (int x = 0; x < 24; ++x) {
      const double dx = x + 0.5 - 12, dy = y + 0.5 - 8.5;
      const double from_x = std::cos(angle) * dx + std::sin(angle) * dy + 12 - 0.5,
                   from_y = -std::sin(angle) * dx + std::cos(angle) * dy + 8.5 - 0.5;
      for (int c = 0; c < 3; ++c) {
        double expected = 0;
        for (int row = -1; row <= 17; ++row)
          for (int column = -1; column <= 24; ++column) {
            const double weight =
                std::max(0., 1 - std::abs(column - from_x)) * std::max(0., 1 - std::abs(row - from_y));
            const bool inside = row >= 0 && row < 17 && column >= 0 && column < 24;
            expected += weight * (inside ? at(*picture.image, column, row, c) : fill[c]);
          }
        const double covered_x = std::clamp(std::min(from_x + 2, 25 - from_x), 0., 1.),
                     covered_y = std::clamp(std::min(from_y + 2, 18 - from_y), 0., 1.);
        if (covered_x < 1 || covered_y < 1) expected = fill[c];  // beyond the frame of fill around the picture
        CAPTURE(degrees, x, y, c);
        REQUIRE(std::abs(at(*out.image, x, y, c) - expected) <= 0.5 + weight_error + 1e-5);
      }
    }
  std::vector<std::array<double, 5>> boxes;
  for (const Object& o : picture.objects) {
    double x1 = 1e9, y1 = 1e9, x2 = -1e9, y2 = -1e9;
    for (const double x : {o.x1, o.x2})
      for (const double y : {o.y1, o.y2}) {
        const double turned_x = std::cos(angle) * (x - 12) - std::sin(angle) * (y - 8.5) + 12,
                     turned_y = std::sin(angle) * (x - 12) + std::cos(angle) * (y - 8.5) + 8.5;
        x1 = std::min(x1, turned_x);
        x2 = std::max(x2, turned_x);
        y1 = std::min(y1, turned_y);
        y2 = std::max(y2, turned_y);
      }
    const double x = (x1 + x2) / 2, y = (y1 + y2) / 2;
    if (x < 0 || y < 0 || x > 24 || y > 17) continue;
    boxes.push_back({std::max(x1, 0.), std::max(y1, 0.), std::min(x2, 24.), std::min(y2, 17.), double(o.label)});
  }
  check_boxes(out.objects, boxes);
  if (degrees == 0) CHECK(out.image->rgb == picture.image->rgb);
}

TEST_CASE("augment: colors change as defined, step by step", "[augment]") {
  const auto change =
      GENERATE(values<ColorChange>({{},
                                    {.brightness = 0.125},
                                    {.contrast = 1.5},
                                    {.saturation = 0.5},
                                    {.hue = 18},
                                    {.brightness = -0.1, .contrast = 0.7, .saturation = 1.4, .hue = -11}}));
  const LabeledImage picture = noise(31, 9, 5, {object(1, 2, 3, 4, 1)});
  const LabeledImage out = recolored(picture, change);
  for (size_t i = 0; i < picture.image->rgb.size(); i += 3) {
    double color[3];
    for (size_t c = 0; c < 3; ++c)
      color[c] = (picture.image->rgb[i + c] / 255. + change.brightness - 0.5) * change.contrast + 0.5;
    const double luma = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2];
    for (double& channel : color) channel = luma + change.saturation * (channel - luma);
    // A turn by θ about the unit vector k: v cos θ + (k × v) sin θ + k (k · v)(1 − cos θ).
    const double angle = change.hue * std::numbers::pi / 180, mean = (color[0] + color[1] + color[2]) / 3;
    for (size_t c = 0; c < 3; ++c) {
      const double cross = (color[(c + 2) % 3] - color[(c + 1) % 3]) / std::numbers::sqrt3;
      const double turned = color[c] * std::cos(angle) + cross * std::sin(angle) + mean * (1 - std::cos(angle));
      // Weights of 2^-16, half of that each, times three channels and the sum.
      CHECK(std::abs(out.image->rgb[i + c] - std::clamp(255 * turned, 0., 255.)) <= 0.5 + 4 * 255 * 0x1p-17);
    }
  }
  check_boxes(out.objects, {{1, 2, 3, 4, 1}});
}

TEST_CASE("augment: drawn color changes stay in their range and are as often none", "[augment]") {
  Random random(3, stream::kAugment);
  int unchanged = 0;
  double largest = 0;
  for (int i = 0; i < 4000; ++i) {
    const ColorChange change = draw_color_change(0.5, random);
    CHECK(std::abs(change.brightness) <= 0.0625);
    CHECK(std::abs(change.contrast - 1) <= 0.25);
    CHECK(std::abs(change.saturation - 1) <= 0.25);
    CHECK(std::abs(change.hue) <= 9);
    unchanged += change.hue == 0;
    largest = std::max(largest, std::abs(change.hue));
  }
  CHECK(std::abs(unchanged - 2000) < 5 * std::sqrt(1000.));  // five deviations of 4000 fair coins
  CHECK(largest > 8.5);
}

TEST_CASE("augment: resampling is a triangle along each axis", "[augment]") {
  struct Case {
    int in_w, in_h, out_w, out_h;
  };
  const auto c = GENERATE(values<Case>({{9, 7, 18, 14}, {20, 15, 7, 5}, {8, 8, 8, 8}, {5, 9, 13, 2}, {1, 1, 4, 3}}));
  CAPTURE(c.in_w, c.in_h, c.out_w, c.out_h);
  const LabeledImage picture = noise(c.in_w, c.in_h, 6);
  const Image out = resampled(*picture.image, c.out_w, c.out_h);
  for (int y = 0; y < c.out_h; ++y)
    for (int x = 0; x < c.out_w; ++x)
      for (int channel = 0; channel < 3; ++channel)
        REQUIRE(std::abs(at(out, x, y, channel) - resampled_at(*picture.image, c.out_w, c.out_h, x, y, channel)) <=
                kResampled);
}

TEST_CASE("augment: a mosaic holds four pictures, each covering its part from the common point", "[augment]") {
  const std::array<LabeledImage, 4> pictures{
      noise(20, 16, 1, {object(2, 2, 18, 14, 0)}), noise(10, 10, 2, {object(0, 0, 5, 5, 1)}),
      noise(30, 8, 3, {object(20, 2, 29, 7, 2)}), noise(6, 20, 4, {object(1, 1, 5, 9, 3)})};
  const int x = 8, y = 10;
  const LabeledImage out = mosaic(pictures, x, y);
  REQUIRE(out.image->width == 20);
  REQUIRE(out.image->height == 16);
  std::vector<std::array<double, 5>> boxes;
  for (int i = 0; i < 4; ++i) {
    const Image& in = *pictures[i].image;
    const int left = i % 2 == 0 ? 0 : x, right = i % 2 == 0 ? x : 20, top = i < 2 ? 0 : y, bottom = i < 2 ? y : 16;
    const double scale = std::max((right - left) / double(in.width), (bottom - top) / double(in.height));
    const int width = static_cast<int>(std::lround(in.width * scale)),
              height = static_cast<int>(std::lround(in.height * scale));
    const int shift_x = i % 2 == 0 ? x - width : x, shift_y = i < 2 ? y - height : y;  // where the scaled picture lies
    for (int row = top; row < bottom; ++row)
      for (int column = left; column < right; ++column)
        for (int c = 0; c < 3; ++c) {
          CAPTURE(i, row, column, c);
          REQUIRE(std::abs(at(*out.image, column, row, c) -
                           resampled_at(in, width, height, column - shift_x, row - shift_y, c)) <= kResampled);
        }
    const Object& o = pictures[i].objects[0];
    const double sx = double(width) / in.width, sy = double(height) / in.height;
    const double x1 = o.x1 * sx + shift_x, x2 = o.x2 * sx + shift_x, y1 = o.y1 * sy + shift_y, y2 = o.y2 * sy + shift_y;
    const double cx = (x1 + x2) / 2, cy = (y1 + y2) / 2;
    if (cx < left || cx > right || cy < top || cy > bottom) continue;
    boxes.push_back({std::max<double>(x1, left), std::max<double>(y1, top), std::min<double>(x2, right),
                     std::min<double>(y2, bottom), double(i)});
  }
  CHECK(boxes.size() >= 2);
  CHECK(boxes.size() < 4);  // one has its center outside
  check_boxes(out.objects, boxes);
}

TEST_CASE("augment: mixup lets another picture shine through, with its boxes", "[augment]") {
  const LabeledImage a = noise(16, 12, 1, {object(1, 1, 4, 4, 0)}), b = noise(8, 10, 2, {object(2, 2, 6, 8, 1)});
  const double share = 0.45;
  const LabeledImage out = mixed(a, b, share);
  // 8 × 10 fits into 16 × 12 as 9.6 × 12, rounded to 10 × 12.
  for (int y = 0; y < 12; ++y)
    for (int x = 0; x < 16; ++x)
      for (int c = 0; c < 3; ++c) {
        const double of_a = at(*a.image, x, y, c);
        const double expected = x < 10 ? share * of_a + (1 - share) * resampled_at(*b.image, 10, 12, x, y, c) : of_a;
        REQUIRE(std::abs(at(*out.image, x, y, c) - expected) <= 0.5 + kResampled * (1 - share) + 255 * 0x1p-16);
      }
  check_boxes(out.objects, {{1, 1, 4, 4, 0}, {2.5, 2.4, 7.5, 9.6, 1}});
}

TEST_CASE("augment: augmentations of strength 0 draw nothing and copy nothing", "[augment]") {
  const LabeledImage picture = noise(16, 12, 1, {object(1, 1, 4, 4, 0)});
  Random random(1, stream::kAugment), untouched = random;
  const LabeledImage out =
      augmented(picture, {}, {}, random, [&]() -> LabeledImage { throw std::logic_error("not asked for"); });
  CHECK(out.image == picture.image);
  CHECK(random.next() == untouched.next());
}

TEST_CASE("augment: all augmentations together leave boxes inside the picture, of a pixel at least", "[augment]") {
  const AugmentConfig all{.vertical_flip = 0.5,
                          .crop = 0.8,
                          .smallest_crop = 0.3,
                          .photometric = 1,
                          .rotation = 10,
                          .mosaic = 0.5,
                          .mixup = 0.3};
  std::vector<Object> objects;
  for (int i = 0; i < 12; ++i) objects.push_back(object(i * 5.f, i * 3.f, i * 5.f + 4 + i, i * 3.f + 6, i, i == 3));
  size_t kept = 0;
  for (uint32_t i = 0; i < 300; ++i) {
    const int width = 1 + static_cast<int>(i * 7 % 90), height = 1 + static_cast<int>(i * 11 % 70);
    LabeledImage picture = noise(width, height, i, objects);
    keep_visible(picture.objects, width, height);
    Random random(5, stream::kAugment, 0, i);
    const LabeledImage out =
        augmented(picture, all, {124, 116, 104}, random, [&] { return noise(40, 30, i + 1, {object(5, 5, 20, 20)}); });
    CHECK(out.image->rgb.size() == size_t{3} * out.image->width * out.image->height);
    for (const Object& o : out.objects) {
      CHECK((o.x1 >= 0 && o.y1 >= 0));
      CHECK(o.x2 <= static_cast<float>(out.image->width));
      CHECK(o.y2 <= static_cast<float>(out.image->height));
      CHECK((o.x2 - o.x1 >= 1 && o.y2 - o.y1 >= 1));
    }
    kept += out.objects.size();
  }
  CHECK(kept > 300);
}
