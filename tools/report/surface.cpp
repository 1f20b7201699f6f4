#include "tools/report/surface.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "engine/printable.h"
#include "tools/report/text_shape.h"
#include "tools/text/file.h"
#include "tools/text/outputs.h"

namespace fovea {
namespace {

constexpr int normal_size = 14, large_size = 20;  // pixels to an em

// From the middle of capital letters down to their feet, in ems.
constexpr double half_capital = 0.365;

std::string hex(Color color) { return fmt::format("#{:02x}{:02x}{:02x}", color.r, color.g, color.b); }

class ImageSurface : public Surface {
 public:
  explicit ImageSurface(Image& image) : image_(image) {}
  void line(std::span<const Point> points, double width, Color color, double opacity) override {
    draw_line(image_, points, width, color, opacity);
  }
  void box(double x, double y, double width, double height, Color color) override {
    const auto whole = [](double value) { return static_cast<int>(std::lround(value)); };
    fill(image_, whole(x), whole(y), whole(x + width) - whole(x), whole(y + height) - whole(y), color);
  }
  void text(double x, double y, const std::string& text, Align align, bool large, Color color) override {
    const int size = large ? large_size : normal_size, width = text_width(text, size);
    const double left = align == Align::Left ? x : align == Align::Center ? x - width / 2.0 : x - width;
    draw_text(image_, static_cast<int>(std::lround(left)), static_cast<int>(std::lround(y - text_height(size) / 2.0)),
              text, color, size);
  }

 private:
  Image& image_;
};

class SvgSurface : public Surface {
 public:
  void line(std::span<const Point> points, double width, Color color, double opacity) override {
    out += "<polyline fill=\"none\" stroke-linecap=\"round\" stroke-linejoin=\"round\" ";
    out += fmt::format("stroke=\"{}\" stroke-width=\"{:g}\" stroke-opacity=\"{:g}\" points=\"", hex(color), width,
                       opacity);
    for (const Point& p : points) out += fmt::format("{:.1f},{:.1f} ", p.x, p.y);
    if (points.size() == 1)
      out += fmt::format("{:.1f},{:.1f} ", points[0].x, points[0].y);  // a dot is a line of length 0
    out.back() = '"';
    out += "/>\n";
  }
  void box(double x, double y, double width, double height, Color color) override {
    out += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"/>\n", x, y,
                       width, height, hex(color));
  }
  void text(double x, double y, const std::string& text, Align align, bool large, Color color) override {
    constexpr const char* anchors[] = {"start", "middle", "end"};
    const int size = large ? large_size : normal_size;
    out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" ", x, y + half_capital * size,
                       anchors[static_cast<int>(align)]);
    out +=
        fmt::format("font-size=\"{}\" fill=\"{}\">{}</text>\n", size, hex(color), xml_escaped(encoded(one_line(text))));
  }
  std::string out;
};

}  // namespace

int surface_text_width(const std::string& text, bool large) {
  return text_width(text, large ? large_size : normal_size);
}

std::string surface_text(const std::string& text, int width, bool large) {
  return shortened(text, large ? large_size : normal_size, width);
}

Color series_color(size_t index) {
  constexpr Color palette[] = {{31, 119, 180}, {214, 69, 65},  {44, 160, 90},   {148, 103, 189},
                               {230, 140, 20}, {90, 90, 90},   {23, 178, 196},  {227, 119, 194},
                               {140, 86, 75},  {160, 175, 35}, {120, 165, 225}, {235, 160, 150}};
  return palette[index % std::size(palette)];
}

Image drawing_image(const Drawing& drawing) {
  Image image = blank_image(drawing.width, drawing.height, white);
  ImageSurface surface(image);
  drawing.draw(surface);
  return image;
}

std::string drawing_svg(const Drawing& drawing) {
  SvgSurface surface;
  drawing.draw(surface);
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "font-family=\"DejaVu Sans, Verdana, sans-serif\">\n<rect width=\"{0}\" height=\"{1}\" "
      "fill=\"#ffffff\"/>\n{2}</svg>\n",
      drawing.width, drawing.height, surface.out);
}

void write_drawing(const std::filesystem::path& path, const Drawing& drawing) {
  const auto ending = [&](const char* extension) { return std::filesystem::path(path).replace_extension(extension); };
  write_png(ending(".png"), drawing_image(drawing), kMark);
  write_file(ending(".svg"), fmt::format("<!-- {} -->\n{}", kMark, drawing_svg(drawing)));
}

std::string xml_escaped(const std::string& text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace fovea
