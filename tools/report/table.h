// Aligned text tables.
#pragma once
#include <string>
#include <vector>

namespace fovea {

class Table {
 public:
  // The first column is aligned left, the others right.
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}

  // As many cells as the header has.
  void add(std::vector<std::string> row);
  // The header, a rule, the rows; each line ends with a newline. Cells are UTF-8, of one column a code point.
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace fovea
