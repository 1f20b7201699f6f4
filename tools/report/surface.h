// What charts are drawn on: the same drawing as PNG and as SVG.
#pragma once
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "tools/report/canvas.h"

namespace fovea {

enum class Align { Left, Center, Right };

class Surface {
 public:
  virtual ~Surface() = default;
  virtual void line(std::span<const Point> points, double width, Color color, double opacity) = 0;
  virtual void box(double x, double y, double width, double height, Color color) = 0;
  // y is the middle of the line.
  virtual void text(double x, double y, const std::string& text, Align align, bool large, Color color = ink) = 0;

  static constexpr Color grid{225, 225, 225}, ink{50, 50, 50};
};

// How wide a text is on the image, and about as wide in the SVG.
int surface_text_width(const std::string& text, bool large = false);
// A text at most so wide, with an ellipsis where that cuts it.
std::string surface_text(const std::string& text, int width, bool large = false);

// Colors of series; neighbors look different.
Color series_color(size_t index);

struct Drawing {
  int width, height;
  std::function<void(Surface&)> draw;
};

Image drawing_image(const Drawing& drawing);
std::string drawing_svg(const Drawing& drawing);

// Writes `path` with the endings .png and .svg. Throws ErrorKind::Runtime when one cannot be written.
void write_drawing(const std::filesystem::path& path, const Drawing& drawing);

// & < > " as entities; control characters and what is no UTF-8 made visible.
std::string xml_escaped(const std::string& text);

}  // namespace fovea
