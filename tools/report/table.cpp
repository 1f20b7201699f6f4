#include "tools/report/table.h"

#include <algorithm>
#include <cstdint>

#include "kernels/error.h"

namespace fovea {
namespace {

size_t width_of(const std::string& cell) {  // code points: bytes that do not continue one
  return std::count_if(cell.begin(), cell.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; });
}

}  // namespace

void Table::add(std::vector<std::string> row) {
  require(row.size() == rows_[0].size(), "a table row and the header have different numbers of cells");
  rows_.push_back(std::move(row));
}

std::string Table::text() const {
  std::vector<size_t> widths(rows_[0].size());
  for (const auto& row : rows_) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width_of(row[c]));
  }
  std::string text;
  for (size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (size_t c = 0; c < widths.size(); ++c) {
      const std::string& cell = rows_[r][c];
      const std::string padding(widths[c] - width_of(cell), ' ');
      line.append(c == 0 ? "" : "  ").append(c == 0 ? cell : padding).append(c == 0 ? padding : cell);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
    if (r > 0) continue;
    for (size_t c = 0; c < widths.size(); ++c) text += (c ? "  " : "") + std::string(widths[c], '-');
    text += "\n";
  }
  return text;
}

}  // namespace fovea
