// Pictures of detections: boxes with names and scores, and sheets of several pictures.
#pragma once
#include <optional>
#include <span>
#include <string>

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

struct CaptionedPicture {
  Image image;
  std::string caption;
};

// The pictures in rows of `columns`, each scaled to fit a cell `cell_width` wide and as high as the first picture asks
// for.
Image contact_sheet(std::span<const CaptionedPicture> pictures, int columns, int cell_width);

}  // namespace fovea
