// Which column of a table of boxes is what.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <vector>

namespace fovea {

struct CsvColumns {
  int path = 0;
  std::array<int, 4> box{1, 2, 3, 4};
  bool sides = false;  // x, y, width, height; else x1, y1, x2, y2
  int name = 5;        // of the class
  int fields = 6;
  std::string expected = "path,x1,y1,x2,y2,class";
  std::vector<std::string> unused;  // columns that are not read
};

// By what the heading calls them, in whatever order: filename, xmin, ymin, xmax, ymax, class, and the like. None where
// the record is no heading, or names no path, box and class.
std::optional<CsvColumns> columns_of_heading(const std::vector<std::string>& fields);

// Of a first record that is no heading: path,x1,y1,x2,y2,class, and the tables that makesense.ai and TensorFlow's
// scripts write without one. None where it is none of these.
std::optional<CsvColumns> columns_of_record(const std::vector<std::string>& fields);

// Of no numbers, as a heading has it.
bool is_heading(const std::vector<std::string>& fields);

// What a heading calls a column, in lower case with _ between words.
std::string column_name(const std::string& field);

}  // namespace fovea
