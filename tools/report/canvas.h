// Drawing on an RGB image: areas, smooth lines, text. Everything is clipped to the image.
// Coordinates are pixels from the top left corner; the center of the first pixel is (0.5, 0.5).
#pragma once
#include <span>
#include <string>
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

// A line of text in any language, `size` pixels to an em; (x, y) is the top left corner of the line, which is
// text_height() high. Control characters are spaces, what is no UTF-8 shows as U+FFFD, and what no font has as a box.
void draw_text(Image& image, int x, int y, std::string_view text, Color color, int size);
int text_width(std::string_view text, int size);
int text_height(int size);

// Text is drawn in DejaVu Sans, which the program carries, and first in the font that the environment variable
// FOVEA_FONT names. Throws ErrorKind::Usage where that is none, as the first text would: for what draws after hours of
// work.
void check_font();

// `text` and then `note`, at most `width` pixels wide: where needed, an ellipsis stands for the end of `text`. (Wider
// only where not even ellipsis and note fit.)
std::string shortened(std::string_view text, int size, int width, std::string_view note = "");

// `source` copied with its top left corner at (x, y).
void paste(Image& image, const Image& source, int x, int y);

// Each pixel the average of the area that it covers in the source. For pictures of pictures; training has its own
// resampler.
Image scaled(const Image& source, int width, int height);

}  // namespace fovea
