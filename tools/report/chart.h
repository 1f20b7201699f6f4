// Line charts: panels side by side over one kind of step, as PNG and as SVG from the same layout.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "tools/report/canvas.h"

namespace fovea {

struct Series {
  std::string name;
  std::vector<Point> points;  // x ascending; points that are not finite are left out
  bool noisy = false;         // drawn pale, with its moving average over it
};

struct Panel {
  std::string title;
  std::vector<Series> series;
};

struct Chart {
  std::string title, x_label;
  std::vector<Panel> panels;
};

Image chart_image(const Chart& chart);
std::string chart_svg(const Chart& chart);

// Writes `path` with the endings .png and .svg. Throws ErrorKind::Runtime when one cannot be written.
void write_chart(const std::filesystem::path& path, const Chart& chart);

}  // namespace fovea
