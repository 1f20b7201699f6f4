#include "tools/report/heat_map.h"

#include <algorithm>
#include <cmath>

namespace fovea {
namespace {

constexpr int grid_top = 96, grid_margin = 16;
constexpr int large_cell = 56, small_cell = 14, most_large = 20;

constexpr int name_width = 240, number_width = 34;  // at most; a class's name may be as long as it likes

int cell_of(const HeatMap& map) { return map.names.size() <= most_large ? large_cell : small_cell; }

int left_of(const HeatMap& map) {
  int width = surface_text_width(map.row_title);
  for (const std::string& name : map.names)
    width = std::max(width, std::min(surface_text_width(name), name_width) + number_width);
  return grid_margin + width + 10;
}

// From white to a dark blue.
Color shade(double share) {
  const auto channel = [&](int dark) {
    return static_cast<uint8_t>(std::lround(255 - std::clamp(share, 0.0, 1.0) * (255 - dark)));
  };
  return {channel(8), channel(64), channel(129)};
}

void draw(Surface& surface, const HeatMap& map) {
  const size_t n = map.names.size();
  const int cell = cell_of(map), left = left_of(map);
  const bool numbered = cell == large_cell;
  surface.text(grid_margin, 22, map.title, Align::Left, true);
  surface.text(left, 52, map.column_title, Align::Left, false);
  surface.text(left - 10, grid_top - 14, map.row_title, Align::Right, false);
  for (size_t i = 0; i < n; ++i) {
    const double middle = cell * (static_cast<double>(i) + 0.5);
    const std::string number = std::to_string(i + 1);
    surface.text(left - 10, grid_top + middle, number, Align::Right, false);
    surface.text(left - 10 - number_width, grid_top + middle, surface_text(map.names[i], name_width), Align::Right,
                 false);
    if (numbered || (i + 1) % 5 == 0) surface.text(left + middle, grid_top - 14, number, Align::Center, false);
  }
  const double side = cell * static_cast<double>(n);
  for (size_t i = 0; i <= n; ++i) {
    const double at = cell * static_cast<double>(i);
    surface.box(left, grid_top + at, side, 1, Surface::grid);
    surface.box(left + at, grid_top, 1, side, Surface::grid);
  }
  for (size_t row = 0; row < n; ++row) {
    for (size_t column = 0; column < n; ++column) {
      const double share = map.shares[row * n + column];
      const std::string& value = map.values[row * n + column];
      const double x = left + cell * static_cast<double>(column), y = grid_top + cell * static_cast<double>(row);
      if (share > 0) surface.box(x + 1, y + 1, cell - 1, cell - 1, shade(share));
      if (numbered && !value.empty())
        surface.text(x + cell / 2.0, y + cell / 2.0, value, Align::Center, false, share > 0.5 ? white : Surface::ink);
    }
  }
}

}  // namespace

Drawing heat_drawing(const HeatMap& map) {
  const int side = cell_of(map) * static_cast<int>(map.names.size());
  const int width = std::max(left_of(map) + side, surface_text_width(map.title, true) + grid_margin) + grid_margin;
  return {width, grid_top + side + grid_margin, [&map](Surface& surface) { draw(surface, map); }};
}

}  // namespace fovea
