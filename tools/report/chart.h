// Line charts: panels side by side, as PNG and as SVG from the same layout.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/report/surface.h"

namespace fovea {

struct Series {
  std::string name;
  std::vector<Point> points;        // x ascending (but where they have labels); points that are not finite are left out
  bool noisy = false;               // drawn pale, with its moving average over it
  int color = -1;                   // negative: its place among the series
  std::vector<std::string> labels;  // written at the points, which are then finite and few; none: nothing is
};

struct AxisRange {
  double low, high;
};

struct Panel {
  std::string title;
  std::vector<Series> series;
  std::string x_label;  // where it is another than the chart's
  bool shares = false;  // values are 0…1, and so are the steps, from `first` on
  double first = 0;
  std::optional<AxisRange> x_range, y_range;  // of the axes, instead of what the points give
};

struct Chart {
  std::string title, x_label;
  std::vector<Panel> panels;
  bool legend_below = false;  // one for all panels, of the first one's series that have names; else each has its own
};

// `chart` outlives it.
Drawing chart_drawing(const Chart& chart);
Image chart_image(const Chart& chart);
std::string chart_svg(const Chart& chart);

// Writes `path` with the endings .png and .svg. Throws ErrorKind::Runtime when one cannot be written.
void write_chart(const std::filesystem::path& path, const Chart& chart);

}  // namespace fovea
