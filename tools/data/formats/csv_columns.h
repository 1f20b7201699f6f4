// Which column of a table of boxes is what.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fovea {

// x1, y1, x2, y2; x, y, width, height; or the center's x and y, width, height.
enum class CsvBox : uint8_t { Corners, Sides, Center };

struct CsvColumns {
  int path = 0;
  std::array<int, 4> box{1, 2, 3, 4};  // all the same: one field has the four numbers
  CsvBox kind = CsvBox::Corners;
  int name = 5;  // of the class; -1: there is none, as all boxes are of one
  int fields = 6;
  std::string expected = "path,x1,y1,x2,y2,class";
  std::vector<std::string> unused;  // columns that are not read
};

// By what the heading calls them, in whatever order: filename, xmin, ymin, xmax, ymax, class, and the like. None where
// the record is no heading, or names no path, box and class. Only a table whose boxes stand in one column, "[x, y,
// width, height]" as Kaggle has them, may do without a class.
std::optional<CsvColumns> columns_of_heading(const std::vector<std::string>& fields);

// What a heading lacks that has words which are not known: "names no class; not known: species". Empty where it has
// none of the words of a table of boxes.
std::string heading_fault(const std::vector<std::string>& fields);

// Of a first record that is no heading: path,x1,y1,x2,y2,class, and the tables that makesense.ai and TensorFlow's
// scripts write without one. None where it is none of these.
std::optional<CsvColumns> columns_of_record(const std::vector<std::string>& fields);

// The four numbers of "[834.0, 222.0, 56.0, 36.0]", with or without brackets.
std::optional<std::array<double, 4>> four_numbers(const std::string& field);

// Of no numbers, as a heading has it.
bool is_heading(const std::vector<std::string>& fields);

// What a heading calls a column, in lower case with _ between words.
std::string column_name(const std::string& field);

}  // namespace fovea
