// Bars that lie: one group a line, its name on the left, what is to be said of it on the right.
#pragma once
#include <string>
#include <vector>

#include "tools/report/surface.h"

namespace fovea {

struct BarGroup {
  std::string name;
  std::vector<double> values;  // one a series; negative: none
  std::string note;            // beside the bars
};

struct BarChart {
  std::string title, value_label;
  std::vector<std::string> series;  // named in the legend, where there are several
  std::vector<BarGroup> groups;
  double high = 0;  // of the axis; 0: the largest value
};

// `chart` outlives it.
Drawing bar_drawing(const BarChart& chart);

}  // namespace fovea
