// A matrix as a picture: darker where a value is larger. Columns carry the numbers of the rows of the same name.
#pragma once
#include <string>
#include <vector>

#include "tools/report/surface.h"

namespace fovea {

struct HeatMap {
  std::string title, row_title, column_title;
  std::vector<std::string> names;   // of rows and columns alike
  std::vector<double> shares;       // [rows, columns], 0…1: how dark
  std::vector<std::string> values;  // [rows, columns], written where the cells are large enough
};

// `map` outlives it.
Drawing heat_drawing(const HeatMap& map);

}  // namespace fovea
