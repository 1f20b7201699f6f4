// Plots of a dataset: stacked bars, histograms and scatters in panels of one picture.
#pragma once
#include <string>
#include <vector>

#include "tools/report/canvas.h"

namespace fovea {

Color plot_color(size_t series);

// An axis from low to high; with `log`, its distances are those of logarithms.
struct PlotAxis {
  double low, high;
  bool log = false;
  std::vector<double> ticks;
  double share(double value) const;
};
// Powers of two that hold low … high, as ticks.
PlotAxis log_axis(double low, double high);
// From 0 to a round number that is at least `high`.
PlotAxis count_axis(double high);

// A panel of the picture, with room for title, ticks and axis names.
class PlotPanel {
 public:
  PlotPanel(Image& image, int x, int y, int width, int height, const std::string& title);

  void axes(const PlotAxis& x, const PlotAxis& y, const std::string& x_name);
  // Bars between the edges, which are one more than the bars; series upon series.
  void histogram(const PlotAxis& x, const PlotAxis& y, const std::vector<double>& edges,
                 const std::vector<std::vector<double>>& series);
  // Lying bars with a name and a number each; series behind series.
  void named_bars(const std::vector<std::string>& names, const std::vector<std::vector<double>>& series);
  void dot(const PlotAxis& x, const PlotAxis& y, Point at, double size, Color color, double opacity);
  void cross(const PlotAxis& x, const PlotAxis& y, Point at, double size, Color color);
  // A line of text below the title, with a patch of color where there is one.
  void legend(const std::vector<std::pair<std::string, Color>>& entries);

 private:
  Point place(const PlotAxis& x, const PlotAxis& y, Point at) const;

  Image& image_;
  int left_, top_, right_, bottom_;  // of the plot itself
  int panel_x_, panel_y_;
};

}  // namespace fovea
