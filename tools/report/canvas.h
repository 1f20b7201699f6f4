// Drawing on an RGB image: areas, smooth lines, small text. Everything is clipped to the image.
// Coordinates are pixels from the top left corner; the center of the first pixel is (0.5, 0.5).
#pragma once
#include <span>
#include <string_view>

#include "tools/image/image_file.h"

namespace fovea {

struct Color {
  uint8_t r, g, b;
  bool operator==(const Color&) const = default;
};
constexpr Color black{0, 0, 0}, white{255, 255, 255};

struct Point {
  double x, y;
};

Image blank_image(int width, int height, Color color);

void fill(Image& image, int x, int y, int width, int height, Color color);

// A smooth line through the points, with round ends and joints; one point makes a dot. `opacity` holds for the line as
// a whole.
void draw_line(Image& image, std::span<const Point> points, double thickness, Color color, double opacity = 1);

// Text in the 5 × 9 font of font.h, each of its pixels `scale` × `scale`; (x, y) is the top left corner. Invalid UTF-8
// and characters beyond ASCII show as '?'.
void draw_text(Image& image, int x, int y, std::string_view text, Color color, int scale = 1);
int text_width(std::string_view text, int scale = 1);
int text_height(int scale = 1);

// `source` copied with its top left corner at (x, y).
void paste(Image& image, const Image& source, int x, int y);

// Each pixel the average of the area that it covers in the source. For pictures of pictures; training has its own
// resampler.
Image scaled(const Image& source, int width, int height);

}  // namespace fovea
