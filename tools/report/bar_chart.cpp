#include "tools/report/bar_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fovea {
namespace {

constexpr int width = 960, top = 84, bottom = 64, bar_height = 20, gap = 16, margin = 16;

int group_height(const BarChart& chart) {
  return bar_height * static_cast<int>(std::max<size_t>(1, chart.series.size())) + gap;
}

int longest(const BarChart& chart, std::string BarGroup::* text) {
  int width = 0;
  for (const BarGroup& group : chart.groups) width = std::max(width, surface_text_width(group.*text));
  return width;
}

// 1, 2 or 5 times a power of ten: at most five of them reach `high`.
double tick_step(double high) {
  const double power = std::pow(10.0, std::floor(std::log10(high / 5)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power * 5 >= high) return factor * power;
  return 10 * power;
}

double highest(const BarChart& chart) {
  double high = chart.high;
  for (const BarGroup& group : chart.groups)
    for (const double value : group.values) high = std::max(high, value);
  return high > 0 ? high : 1;
}

void draw_legend(Surface& surface, const BarChart& chart, double left) {
  if (chart.series.size() < 2) return;
  for (size_t s = 0; s < chart.series.size(); ++s) {
    surface.box(left, 48, 18, 12, series_color(s));
    surface.text(left + 26, 54, chart.series[s], Align::Left, false);
    left += 26 + surface_text_width(chart.series[s]) + 28;
  }
}

void draw(Surface& surface, const BarChart& chart) {
  surface.text(margin, 22, chart.title, Align::Left, true);
  const double left = margin + longest(chart, &BarGroup::name) + 10;
  const double right = std::max<double>(left + 100, width - margin - longest(chart, &BarGroup::note) - 70);
  draw_legend(surface, chart, left);
  const double high = highest(chart), step = tick_step(high);
  const double foot = top + group_height(chart) * static_cast<double>(chart.groups.size());
  for (int i = 0; i * step <= high * (1 + 1e-9); ++i) {
    const double x = left + (right - left) * i * step / high;
    surface.line(std::vector<Point>{{x, top - 8}, {x, foot}}, 1, i == 0 ? Surface::ink : Surface::grid, 1);
    surface.text(x, foot + 16, fmt::format("{:.4g}", i * step), Align::Center, false);
  }
  surface.text((left + right) / 2, foot + 42, chart.value_label, Align::Center, false);
  for (size_t g = 0; g < chart.groups.size(); ++g) {
    const BarGroup& group = chart.groups[g];
    double y = top + group_height(chart) * static_cast<double>(g);
    const double middle = y + (group_height(chart) - gap) / 2.0;
    surface.text(left - 10, middle, group.name, Align::Right, false);
    surface.text(width - margin, middle, group.note, Align::Right, false);
    for (size_t s = 0; s < group.values.size(); ++s, y += bar_height) {
      if (group.values[s] < 0) continue;
      const double length = (right - left) * group.values[s] / high;
      surface.box(left, y + 1, length, bar_height - 3, series_color(s));
      surface.text(left + length + 6, y + bar_height / 2.0, fmt::format("{:.3f}", group.values[s]), Align::Left, false);
    }
  }
}

}  // namespace

Drawing bar_drawing(const BarChart& chart) {
  return {width, top + group_height(chart) * static_cast<int>(chart.groups.size()) + bottom,
          [&chart](Surface& surface) { draw(surface, chart); }};
}

}  // namespace fovea
