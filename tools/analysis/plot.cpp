#include "tools/analysis/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tools/report/surface.h"

namespace fovea {

namespace {

constexpr int title_height = 62, foot_height = 52, plot_left = 64, plot_right = 24, bar_name_width = 170;
constexpr int size = 14;  // of letters: pixels to an em

std::string number_text(double value) {
  return std::abs(value) >= 10000 ? fmt::format("{:g}k", value / 1000) : fmt::format("{:g}", value);
}

}  // namespace

Color plot_color(size_t series) {
  constexpr std::array<Color, 4> colors{{{55, 126, 184}, {255, 150, 30}, {77, 175, 74}, {152, 78, 163}}};
  return colors[series % colors.size()];
}

double PlotAxis::share(double value) const {
  const double part = log ? std::log(std::max(value, 1e-9) / low) / std::log(high / low) : (value - low) / (high - low);
  return std::clamp(part, 0.0, 1.0);
}

PlotAxis log_axis(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log2(low))),
            last = std::max(first + 1, static_cast<int>(std::ceil(std::log2(high))));
  PlotAxis axis{.low = std::exp2(first), .high = std::exp2(last), .log = true, .ticks = {}};
  const int step = std::max(1, (last - first + 7) / 8);
  for (int power = first; power <= last; power += step) axis.ticks.push_back(std::exp2(power));
  return axis;
}

PlotAxis count_axis(double high) {
  const double raw = std::max(high, 1.0) / 4, power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = power * (raw / power <= 1 ? 1 : raw / power <= 2 ? 2 : raw / power <= 5 ? 5 : 10);
  step = std::max(step, 1.0);
  PlotAxis axis{.low = 0, .high = std::ceil(std::max(high, 1.0) / step) * step, .log = false, .ticks = {}};
  for (double tick = 0; tick <= axis.high + step / 2; tick += step) axis.ticks.push_back(tick);
  return axis;
}

PlotPanel::PlotPanel(Image& image, int x, int y, int width, int height, const std::string& title)
    : image_(image),
      left_(x + plot_left),
      top_(y + title_height),
      right_(x + width - plot_right),
      bottom_(y + height - foot_height),
      panel_x_(x),
      panel_y_(y) {
  draw_text(image_, x + 16, y + 10, shortened(title, size, width - 32), Surface::ink, size);
}

Point PlotPanel::place(const PlotAxis& x, const PlotAxis& y, Point at) const {
  return {left_ + x.share(at.x) * (right_ - left_), bottom_ - y.share(at.y) * (bottom_ - top_)};
}

void PlotPanel::axes(const PlotAxis& x, const PlotAxis& y, const std::string& x_name) {
  for (const double tick : y.ticks) {
    const Point at = place(x, y, {x.low, tick});
    fill(image_, left_, static_cast<int>(at.y), right_ - left_, 1, Surface::grid);
    const std::string text = number_text(tick);
    draw_text(image_, left_ - 8 - text_width(text, size), static_cast<int>(at.y) - text_height(size) / 2, text,
              Surface::ink, size);
  }
  for (const double tick : x.ticks) {
    const Point at = place(x, y, {tick, y.low});
    fill(image_, static_cast<int>(at.x), bottom_, 1, 5, Surface::ink);
    const std::string text = number_text(tick);
    draw_text(image_, static_cast<int>(at.x) - text_width(text, size) / 2, bottom_ + 8, text, Surface::ink, size);
  }
  fill(image_, left_, bottom_, right_ - left_, 1, Surface::ink);
  draw_text(image_, (left_ + right_ - text_width(x_name, size)) / 2, bottom_ + 30, x_name, Surface::ink, size);
}

void PlotPanel::histogram(const PlotAxis& x, const PlotAxis& y, const std::vector<double>& edges,
                          const std::vector<std::vector<double>>& series) {
  for (size_t bar = 0; bar + 1 < edges.size(); ++bar) {
    double base = 0;
    for (size_t s = 0; s < series.size(); ++s) {
      const Point low = place(x, y, {edges[bar], base}), high = place(x, y, {edges[bar + 1], base + series[s][bar]});
      base += series[s][bar];
      const int x0 = static_cast<int>(std::lround(low.x)) + 1, x1 = static_cast<int>(std::lround(high.x));
      const int y0 = static_cast<int>(std::lround(high.y)), y1 = static_cast<int>(std::lround(low.y));
      fill(image_, x0, y0, std::max(1, x1 - x0), y1 - y0, plot_color(s));
    }
  }
}

void PlotPanel::named_bars(const std::vector<std::string>& names, const std::vector<std::vector<double>>& series) {
  double most = 1;
  std::vector<double> totals(names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    for (const auto& values : series) totals[i] += values[i];
    most = std::max(most, totals[i]);
  }
  const int row = std::min(34, (bottom_ + foot_height / 2 - top_) / std::max(1, static_cast<int>(names.size())));
  const int start = panel_x_ + bar_name_width, room = right_ - start - 70;
  for (size_t i = 0; i < names.size(); ++i) {
    const int y = top_ + static_cast<int>(i) * row, text_y = y + (row - text_height(size)) / 2;
    const std::string name = shortened(names[i], size, bar_name_width - 26);
    draw_text(image_, start - 10 - text_width(name, size), text_y, name, Surface::ink, size);
    double done = 0;
    for (size_t s = 0; s < series.size(); ++s) {
      const int from = start + static_cast<int>(std::lround(done / most * room));
      done += series[s][i];
      const int to = start + static_cast<int>(std::lround(done / most * room));
      fill(image_, from, y + 2, to - from, row - 4, plot_color(s));
    }
    draw_text(image_, start + static_cast<int>(done / most * room) + 8, text_y, number_text(totals[i]), Surface::ink,
              size);
  }
}

void PlotPanel::dot(const PlotAxis& x, const PlotAxis& y, Point at, double size, Color color, double opacity) {
  const std::array<Point, 1> point{place(x, y, at)};
  draw_line(image_, point, size, color, opacity);
}

void PlotPanel::cross(const PlotAxis& x, const PlotAxis& y, Point at, double size, Color color) {
  const Point c = place(x, y, at);
  const double half = size / 2;
  for (const double thickness : {4.5, 2.0}) {  // a pale rim lets it stand out of the dots
    const Color of_line = thickness > 3 ? white : color;
    draw_line(image_, std::array<Point, 2>{{{c.x - half, c.y}, {c.x + half, c.y}}}, thickness, of_line);
    draw_line(image_, std::array<Point, 2>{{{c.x, c.y - half}, {c.x, c.y + half}}}, thickness, of_line);
  }
}

void PlotPanel::legend(const std::vector<std::pair<std::string, Color>>& entries) {
  int x = panel_x_ + 16;
  for (const auto& [name, color] : entries) {
    const std::string text = shortened(name, size, (right_ - panel_x_) / static_cast<int>(entries.size()) - 40);
    fill(image_, x, panel_y_ + 38, 12, 12, color);
    draw_text(image_, x + 18, panel_y_ + 36, text, Surface::ink, size);
    x += 18 + text_width(text, size) + 22;
  }
}

}  // namespace fovea
