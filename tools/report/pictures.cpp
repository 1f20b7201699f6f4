#include "tools/report/pictures.h"

#include <algorithm>
#include <cmath>

#include "kernels/error.h"

namespace fovea {
namespace {

// A pure color of the hue `turns` (0…1), darkened where it would be too light for white paper.
Color hue_color(double turns) {
  const auto channel = [&](double shift) {
    const double position = std::fmod(turns + shift, 1.0) * 6;
    return static_cast<uint8_t>(std::lround(225 * std::clamp(std::abs(position - 3) - 1, 0.0, 1.0)));
  };
  return {channel(0), channel(2.0 / 3), channel(1.0 / 3)};
}

bool is_light(Color color) { return 0.299 * color.r + 0.587 * color.g + 0.114 * color.b > 140; }

void draw_frame(Image& image, int x1, int y1, int x2, int y2, int thickness, Color color) {
  fill(image, x1, y1, x2 - x1, thickness, color);
  fill(image, x1, y2 - thickness, x2 - x1, thickness, color);
  fill(image, x1, y1, thickness, y2 - y1, color);
  fill(image, x2 - thickness, y1, thickness, y2 - y1, color);
}

// Pixels to an em: grows with the image, and is never too small to read.
int label_size(const Image& image) { return std::max(10, std::min(image.width, image.height) / 40); }

// Above the box where there is room, else inside it; always within the image. A long name has room beside a wide box,
// but does not run across half of the image for a narrow one.
void draw_label(Image& image, int x1, int y1, int x2, const LabeledBox& box, int size, Color color) {
  const int margin = std::max(1, size / 6), room = std::max({x2 - x1, image.width / 2, 12 * size});
  const std::string text = shortened(box.text, size, std::min(room, image.width) - 2 * margin, box.note);
  const int width = text_width(text, size) + 2 * margin, height = text_height(size);
  const int x = std::clamp(x1, 0, std::max(0, image.width - width));
  const int y = std::clamp(y1 >= height ? y1 - height : y1, 0, std::max(0, image.height - height));
  fill(image, x, y, width, height, color);
  draw_text(image, x + margin, y, text, is_light(color) ? black : white, size);
}

Color color_of(const LabeledBox& box) { return box.color.value_or(class_color(box.label)); }

}  // namespace

Color class_color(int label) {
  constexpr Color first[] = {{228, 26, 28}, {55, 126, 184}, {255, 200, 0},  {77, 175, 74}, {152, 78, 163},
                             {255, 127, 0}, {0, 190, 190},  {247, 90, 180}, {140, 86, 40}, {120, 200, 60}};
  constexpr int count = std::size(first);
  constexpr double golden_ratio = 0.6180339887498949;  // successive multiples spread evenly over the circle of hues
  return label < count ? first[std::max(label, 0)] : hue_color(std::fmod(label * golden_ratio, 1.0));
}

void draw_boxes(Image& image, std::span<const LabeledBox> boxes) {
  const int side = std::min(image.width, image.height);
  const int thickness = std::max(1, side / 240), size = label_size(image);
  const auto at = [](float coordinate) { return static_cast<int>(std::lround(coordinate)); };
  for (const LabeledBox& box : boxes) {
    draw_frame(image, at(box.x1), at(box.y1), at(box.x2), at(box.y2), thickness, color_of(box));
  }
  for (const LabeledBox& box : boxes) {  // after all frames, which would strike them through
    if (!box.text.empty()) draw_label(image, at(box.x1), at(box.y1), at(box.x2), box, size, color_of(box));
  }
}

Size2d sheet_cell(Size2d first, int width) {
  return {std::max(1, static_cast<int>(std::lround(static_cast<double>(width) * first.height / first.width))), width};
}

Image fitted(const Image& picture, Size2d cell) {
  const double factor =
      std::min(static_cast<double>(cell.width) / picture.width, static_cast<double>(cell.height) / picture.height);
  return scaled(picture, std::max(1, static_cast<int>(picture.width * factor)),
                std::max(1, static_cast<int>(picture.height * factor)));
}

Image contact_sheet(std::span<const CaptionedPicture> pictures, int columns, Size2d cell) {
  require(!pictures.empty() && columns > 0, "a contact sheet without pictures or columns");
  constexpr int margin = 12, size = 14;
  const int row_height = cell.height + text_height(size) + 2 * margin;
  const int rows = (static_cast<int>(pictures.size()) + columns - 1) / columns;
  columns = std::min(columns, static_cast<int>(pictures.size()));
  Image sheet = blank_image(columns * (cell.width + margin) + margin, rows * row_height + margin, white);
  for (int i = 0; i < static_cast<int>(pictures.size()); ++i) {
    const Image& picture = pictures[i].image;
    const int x = margin + i % columns * (cell.width + margin), y = margin + i / columns * row_height;
    paste(sheet, picture, x + (cell.width - picture.width) / 2, y + (cell.height - picture.height) / 2);
    draw_text(sheet, x, y + cell.height + margin / 2, shortened(pictures[i].caption, size, cell.width), {60, 60, 60},
              size);
  }
  return sheet;
}

}  // namespace fovea
