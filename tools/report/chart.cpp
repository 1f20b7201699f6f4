#include "tools/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/report/surface.h"

namespace fovea {
namespace {

constexpr int panel_width = 640, panel_height = 420, header = 44;
constexpr size_t kLongSeries = 20;  // points
constexpr int left_margin = 76, right_margin = 36, top_margin = 64, bottom_margin = 58;

// Ticks at multiples of 1, 2 or 5 × 10^n, about `count` of them, from at or below the lowest value; to at or above the
// highest, or not beyond it.
struct Axis {
  double low, high, step;
  int digits;  // after the point

  Axis(double low_value, double high_value, int count, bool beyond) {
    if (!(high_value > low_value)) high_value = low_value + 1;
    const double raw = (high_value - low_value) / count, power = std::pow(10.0, std::floor(std::log10(raw)));
    step = power * (raw / power <= 1 ? 1 : raw / power <= 2 ? 2 : raw / power <= 5 ? 5 : 10);
    low = std::floor(low_value / step + 1e-9) * step;
    high = beyond ? std::ceil(high_value / step - 1e-9) * step : high_value;
    digits = std::max(0, -static_cast<int>(std::floor(std::log10(step) + 1e-9)));
  }
  double share(double value) const { return std::clamp((value - low) / (high - low), 0.0, 1.0); }
  int ticks() const { return static_cast<int>((high - low) / step + 1e-9) + 1; }
  double tick(int i) const { return low + i * step; }
};

std::string tick_text(const Axis& axis, double value) {
  if (value == 0) return "0";
  if (axis.step >= 1000) return fmt::format("{:g}k", value / 1000);
  return axis.digits > 4 ? fmt::format("{:.3g}", value) : fmt::format("{:.{}f}", value, axis.digits);
}

// At most `count` points, each the mean of its neighbors, so that a long run neither bloats the file nor blots the
// picture.
std::vector<Point> thinned(const std::vector<Point>& points, size_t count) {
  std::vector<Point> finite, out;
  std::copy_if(points.begin(), points.end(), std::back_inserter(finite),
               [](Point p) { return std::isfinite(p.x) && std::isfinite(p.y); });
  if (finite.size() <= count) return finite;
  for (size_t i = 0; i < count; ++i) {
    const size_t first = i * finite.size() / count, last = (i + 1) * finite.size() / count;
    Point sum{0, 0};
    for (size_t j = first; j < last; ++j) sum = {sum.x + finite[j].x, sum.y + finite[j].y};
    out.push_back({sum.x / static_cast<double>(last - first), sum.y / static_cast<double>(last - first)});
  }
  return out;
}

// Centered moving average over a twentieth of the series, over what there is of it near the ends.
std::vector<Point> smoothed(const std::vector<Point>& points) {
  const size_t half = points.size() / 40;
  std::vector<Point> out;
  for (size_t i = 0; i < points.size(); ++i) {
    const size_t first = i - std::min(i, half), last = std::min(i + half, points.size() - 1);
    double sum = 0;
    for (size_t j = first; j <= last; ++j) sum += points[j].y;
    out.push_back({points[i].x, sum / static_cast<double>(last - first + 1)});
  }
  return out;
}

Color color_of(const Series& series, size_t index) {
  return series_color(series.color < 0 ? index : static_cast<size_t>(series.color));
}

class PanelDrawer {
 public:
  PanelDrawer(Surface& surface, const Panel& panel, const Chart& chart, double left)
      : surface_(surface),
        panel_(panel),
        x_label_(chart.x_label),
        has_legend_(!chart.legend_below),
        left_(left + left_margin),
        right_(left + panel_width - right_margin) {
    for (const Series& series : panel.series) lines_.push_back(thinned(series.points, 600));
  }

  void draw() {
    const Axis x = x_axis(), y = y_axis();
    draw_axes(x, y);
    for (size_t i = 0; i < lines_.size(); ++i) draw_series(i, x, y);
    if (has_legend_) draw_legend();
    surface_.text(left_, header + 18, panel_.title, Align::Left, false);
    const bool empty = std::all_of(lines_.begin(), lines_.end(), [](auto& line) { return line.empty(); });
    if (empty) surface_.text((left_ + right_) / 2, (top_ + bottom_) / 2, "no values yet", Align::Center, false);
  }

 private:
  Axis x_axis() const {
    if (panel_.x_range) return {panel_.x_range->low, panel_.x_range->high, 6, true};
    if (panel_.shares) return {panel_.first, 1, 5, true};
    double high = 6;  // steps are whole numbers: no ticks between them
    for (const auto& line : lines_)
      for (const Point& p : line) high = std::max(high, p.x);
    return {0, high, 6, false};
  }

  // From 0 to the highest value; of long noisy series to what all but the highest hundredth stay below: the first
  // steps' losses would flatten the rest.
  Axis y_axis() const {
    if (panel_.y_range) return {panel_.y_range->low, panel_.y_range->high, 5, true};
    if (panel_.shares) return {0, 1, 5, true};
    double low = 0, high = 0;
    for (size_t i = 0; i < lines_.size(); ++i) {
      std::vector<double> values;
      for (const Point& p : lines_[i]) values.push_back(p.y);
      std::sort(values.begin(), values.end());
      if (values.empty()) continue;
      low = std::min(low, values.front());
      const bool cut = panel_.series[i].noisy && values.size() >= kLongSeries;
      high = std::max(high, cut ? values[(values.size() - 1) * 99 / 100] : values.back());
    }
    return {low, high, 5, true};
  }

  Point place(const Axis& x, const Axis& y, Point p) const {
    return {left_ + x.share(p.x) * (right_ - left_), bottom_ - y.share(p.y) * (bottom_ - top_)};
  }

  void draw_axes(const Axis& x, const Axis& y) {
    for (int i = 0; i < y.ticks(); ++i) {
      const Point from = place(x, y, {x.low, y.tick(i)});
      surface_.line(std::vector<Point>{from, {right_, from.y}}, 1, i == 0 ? Surface::ink : Surface::grid, 1);
      surface_.text(left_ - 8, from.y, tick_text(y, y.tick(i)), Align::Right, false);
    }
    for (int i = 0; i < x.ticks(); ++i) {
      const Point at = place(x, y, {x.tick(i), y.low});
      surface_.line(std::vector<Point>{at, {at.x, at.y + 5}}, 1, Surface::ink, 1);
      surface_.text(at.x, bottom_ + 18, tick_text(x, x.tick(i)), Align::Center, false);
    }
    surface_.text((left_ + right_) / 2, bottom_ + 42, panel_.x_label.empty() ? x_label_ : panel_.x_label, Align::Center,
                  false);
  }

  void draw_series(size_t index, const Axis& x, const Axis& y) {
    const Series& series = panel_.series[index];
    const Color color = color_of(series, index);
    const auto placed = [&](const std::vector<Point>& points) {
      std::vector<Point> out;
      for (const Point& p : points) out.push_back(place(x, y, p));
      return out;
    };
    const auto line = placed(lines_[index]);
    if (line.empty()) return;
    if (series.noisy) {
      surface_.line(line, 1.2, color, 0.3);
      surface_.line(placed(smoothed(lines_[index])), 2.4, color, 1);
      return;
    }
    surface_.line(line, 2.4, color, 1);
    if (line.size() > 60) return;
    for (const Point& p : line) surface_.line(std::vector<Point>{p}, 7, color, 1);
    for (size_t i = 0; i < series.labels.size(); ++i)
      surface_.text(line[i].x, line[i].y - 16, series.labels[i], Align::Center, false, color);
  }

  // From the right, on the line of the title.
  void draw_legend() {
    double right = right_;
    for (size_t i = panel_.series.size(); i-- > 0;) {
      surface_.text(right, header + 18, panel_.series[i].name, Align::Right, false);
      right -= surface_text_width(panel_.series[i].name) + 8;
      surface_.line(std::vector<Point>{{right - 18, header + 18.5}, {right, header + 18.5}}, 4,
                    color_of(panel_.series[i], i), 1);
      right -= 18 + 20;
    }
  }

  Surface& surface_;
  const Panel& panel_;
  const std::string& x_label_;
  bool has_legend_;
  double left_, right_, top_ = header + top_margin - 20, bottom_ = header + panel_height - bottom_margin;
  std::vector<std::vector<Point>> lines_;
};

int width_of(const Chart& chart) { return panel_width * static_cast<int>(std::max<size_t>(1, chart.panels.size())); }

// Where the legend below the panels has a series' name.
struct LegendEntry {
  const Series& series;
  size_t index;
  int x, y;
};

std::vector<LegendEntry> legend_below(const Chart& chart) {
  constexpr int line_height = 24, sample = 26, gap = 28;
  std::vector<LegendEntry> entries;
  if (!chart.legend_below || chart.panels.empty()) return entries;
  int x = left_margin, y = header + panel_height + line_height / 2;
  for (size_t i = 0; i < chart.panels[0].series.size(); ++i) {
    const Series& series = chart.panels[0].series[i];
    if (series.name.empty()) continue;
    const int width = sample + surface_text_width(series.name);
    if (x > left_margin && x + width > width_of(chart) - right_margin) {
      x = left_margin;
      y += line_height;
    }
    entries.push_back({series, i, x, y});
    x += width + gap;
  }
  return entries;
}

int height_of(const Chart& chart) {
  const auto entries = legend_below(chart);
  return entries.empty() ? header + panel_height : entries.back().y + 20;
}

void draw(Surface& surface, const Chart& chart) {
  const int room = width_of(chart) - left_margin - right_margin;
  surface.text(left_margin, header / 2.0, surface_text(chart.title, room, true), Align::Left, true);
  for (size_t i = 0; i < chart.panels.size(); ++i) {
    PanelDrawer(surface, chart.panels[i], chart, static_cast<double>(i) * panel_width).draw();
  }
  for (const auto& [series, index, x, y] : legend_below(chart)) {
    const double left = x, middle = y;
    surface.line(std::vector<Point>{{left, middle}, {left + 18, middle}}, 4, color_of(series, index), 1);
    surface.text(left + 26, middle, series.name, Align::Left, false);
  }
}

}  // namespace

Drawing chart_drawing(const Chart& chart) {
  return {width_of(chart), height_of(chart), [&chart](Surface& surface) { draw(surface, chart); }};
}

Image chart_image(const Chart& chart) { return drawing_image(chart_drawing(chart)); }
std::string chart_svg(const Chart& chart) { return drawing_svg(chart_drawing(chart)); }

void write_chart(const std::filesystem::path& path, const Chart& chart) { write_drawing(path, chart_drawing(chart)); }

}  // namespace fovea
