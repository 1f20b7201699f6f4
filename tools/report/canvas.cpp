#include "tools/report/canvas.h"

#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "tools/report/typesetter.h"

namespace fovea {
namespace {

uint8_t* pixel(Image& image, int x, int y) { return &image.rgb[(size_t{3} * image.width) * y + size_t{3} * x]; }

// `share`: of 255.
void blend(uint8_t* rgb, Color color, int share) {
  const uint8_t channels[] = {color.r, color.g, color.b};
  for (int c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>((rgb[c] * (255 - share) + channels[c] * share + 127) / 255);
}

double distance_to_segment(double x, double y, Point a, Point b) {
  const double dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
  const double t = length2 > 0 ? std::clamp(((x - a.x) * dx + (y - a.y) * dy) / length2, 0.0, 1.0) : 0;
  return std::hypot(x - (a.x + t * dx), y - (a.y + t * dy));
}

// How much of each pixel of an area a line covers; the largest of its segments, so that joints are not drawn twice.
struct LineCoverage {
  int left, top, width, height;
  std::vector<float> share;

  void add_segment(Point a, Point b, double radius) {
    const int x0 = std::max(left, static_cast<int>(std::floor(std::min(a.x, b.x) - radius - 1)));
    const int x1 = std::min(left + width, static_cast<int>(std::ceil(std::max(a.x, b.x) + radius + 1)));
    const int y0 = std::max(top, static_cast<int>(std::floor(std::min(a.y, b.y) - radius - 1)));
    const int y1 = std::min(top + height, static_cast<int>(std::ceil(std::max(a.y, b.y) + radius + 1)));
    for (int y = y0; y < y1; ++y) {
      for (int x = x0; x < x1; ++x) {
        const double covered = std::clamp(radius + 0.5 - distance_to_segment(x + 0.5, y + 0.5, a, b), 0.0, 1.0);
        float& share_here = share[size_t(y - top) * width + (x - left)];
        share_here = std::max(share_here, static_cast<float>(covered));
      }
    }
  }
};

// The weights with which source pixels make each target pixel, along one axis.
struct Span {
  int first;
  std::vector<float> weights;
};

std::vector<Span> area_weights(int source, int target) {
  std::vector<Span> spans(target);
  const double step = static_cast<double>(source) / target;
  for (int i = 0; i < target; ++i) {
    const double from = i * step, to = std::min<double>((i + 1) * step, source);
    spans[i].first = std::min(static_cast<int>(from), source - 1);
    for (int s = spans[i].first; s < to; ++s) {
      spans[i].weights.push_back(
          static_cast<float>((std::min<double>(s + 1, to) - std::max<double>(s, from)) / (to - from)));
    }
  }
  return spans;
}

}  // namespace

Image blank_image(int width, int height, Color color) {
  Image image{width, height, std::vector<uint8_t>(size_t{3} * width * height)};
  fill(image, 0, 0, width, height, color);
  return image;
}

void fill(Image& image, int x, int y, int width, int height, Color color) {
  const int x0 = std::max(x, 0), x1 = std::min(x + width, image.width);
  const int y0 = std::max(y, 0), y1 = std::min(y + height, image.height);
  if (x0 >= x1 || y0 >= y1) return;
  for (int column = x0; column < x1; ++column) blend(pixel(image, column, y0), color, 255);
  for (int row = y0 + 1; row < y1; ++row)
    std::copy_n(pixel(image, x0, y0), size_t{3} * (x1 - x0), pixel(image, x0, row));
}

void draw_line(Image& image, std::span<const Point> points, double thickness, Color color, double opacity) {
  if (points.empty()) return;
  double left = points[0].x, right = left, top = points[0].y, bottom = top;
  for (const Point& p : points) {
    left = std::min(left, p.x), right = std::max(right, p.x);
    top = std::min(top, p.y), bottom = std::max(bottom, p.y);
  }
  const double margin = thickness / 2 + 1;
  const int x0 = static_cast<int>(std::clamp<double>(left - margin, 0, image.width));
  const int y0 = static_cast<int>(std::clamp<double>(top - margin, 0, image.height));
  const int x1 = static_cast<int>(std::ceil(std::clamp<double>(right + margin, 0, image.width)));
  const int y1 = static_cast<int>(std::ceil(std::clamp<double>(bottom + margin, 0, image.height)));
  LineCoverage coverage{x0, y0, x1 - x0, y1 - y0, std::vector<float>(size_t(x1 - x0) * (y1 - y0))};
  for (size_t i = 0; i < points.size(); ++i)
    coverage.add_segment(points[i], points[std::min(i + 1, points.size() - 1)], thickness / 2);
  for (int y = y0; y < y1; ++y) {
    for (int x = x0; x < x1; ++x) {
      const double share = opacity * coverage.share[size_t(y - y0) * coverage.width + (x - x0)];
      blend(pixel(image, x, y), color, static_cast<int>(std::lround(255 * share)));
    }
  }
}

void draw_text(Image& image, int x, int y, std::string_view text, Color color, int size) {
  const TextCoverage drawn = typesetter().coverage(text, size, x, y, image.width, image.height);
  const uint8_t* share = drawn.shares.data();
  for (int row = drawn.top; row < drawn.top + drawn.height; ++row) {
    for (int column = drawn.left; column < drawn.left + drawn.width; ++column, ++share)
      if (*share > 0) blend(pixel(image, column, row), color, *share);
  }
}

void check_font() { typesetter(); }

int text_width(std::string_view text, int size) { return typesetter().width(text, size); }
int text_height(int size) { return typesetter().height(size); }

std::string shortened(std::string_view text, int size, int width, std::string_view note) {
  return typesetter().shortened(text, note, size, width);
}

void paste(Image& image, const Image& source, int x, int y) {
  const int x0 = std::max(x, 0), x1 = std::min(x + source.width, image.width);
  if (x0 >= x1) return;
  for (int row = std::max(y, 0); row < std::min(y + source.height, image.height); ++row) {
    std::copy_n(&source.rgb[(size_t{3} * source.width) * (row - y) + size_t{3} * (x0 - x)], size_t{3} * (x1 - x0),
                pixel(image, x0, row));
  }
}

Image scaled(const Image& source, int width, int height) {
  require(width > 0 && height > 0 && source.width > 0 && source.height > 0,
          "an image cannot be scaled from or to no pixels");
  const auto columns = area_weights(source.width, width), rows = area_weights(source.height, height);
  std::vector<float> narrow(size_t{3} * width * source.height);
  for (int y = 0; y < source.height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (size_t i = 0; i < columns[x].weights.size(); ++i) {
        const uint8_t* from = &source.rgb[(size_t{3} * source.width) * y + 3 * (columns[x].first + i)];
        for (int c = 0; c < 3; ++c) narrow[(size_t{3} * width) * y + 3 * x + c] += columns[x].weights[i] * from[c];
      }
    }
  }
  Image out = blank_image(width, height, black);
  std::vector<float> line(size_t{3} * width);
  for (int y = 0; y < height; ++y) {
    std::fill(line.begin(), line.end(), 0.0f);
    for (size_t i = 0; i < rows[y].weights.size(); ++i) {
      const float* from = &narrow[line.size() * (rows[y].first + i)];
      for (size_t x = 0; x < line.size(); ++x) line[x] += rows[y].weights[i] * from[x];
    }
    for (size_t x = 0; x < line.size(); ++x) out.rgb[line.size() * y + x] = static_cast<uint8_t>(std::lround(line[x]));
  }
  return out;
}

}  // namespace fovea
