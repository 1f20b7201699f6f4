// Pictures of detections: boxes with names and scores, and sheets of several pictures.
#pragma once
#include <optional>
#include <span>
#include <string>

#include "model/size2d.h"
#include "tools/report/canvas.h"

namespace fovea {

struct LabeledBox {
  float x1, y1, x2, y2;        // pixels
  int label;                   // decides the color
  std::string text;            // e.g. "RBC"; empty for a box alone; cut where it is too long for the image
  std::string note;            // e.g. " 0.87", after the text and never cut
  std::optional<Color> color;  // in place of the label's
};

// Neighboring labels look different; the same label always looks the same.
Color class_color(int label);

// Frames in their order, the last on top, then the labels likewise. Lines and letters grow with the image.
void draw_boxes(Image& image, std::span<const LabeledBox> boxes);

// A sheet of pictures in rows, each scaled to fit a cell: `width` wide and as high as the first picture, of this size,
// asks for.
Size2d sheet_cell(Size2d first, int width);
Image fitted(const Image& picture, Size2d cell);

struct CaptionedPicture {
  Image image;  // fits the cell
  std::string caption;
};
Image contact_sheet(std::span<const CaptionedPicture> pictures, int columns, Size2d cell);

}  // namespace fovea
