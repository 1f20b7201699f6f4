// The CSV files of a dataset: which there are, and of which split.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "tools/data/formats/csv_columns.h"
#include "tools/data/formats/csv_table.h"  // IWYU pragma: export

namespace fovea {

struct CsvFiles {
  std::map<std::string, std::filesystem::path> splits;
  std::filesystem::path class_map;  // empty: there is none
  std::string fault;                // of a file that is called like a split's but holds no boxes; empty: none
};

CsvFiles find_csv_files(const std::filesystem::path& folder);
// That one file alone, and the class map beside it.
CsvFiles csv_file_alone(const std::filesystem::path& file);

// Whether the file's first record is a heading, or has positions, of a table of boxes.
bool is_table_of_boxes(const std::filesystem::path& file);

// How the file's records are to be read, and whether the first one is a heading; none where they are no boxes.
struct CsvForm {
  CsvColumns columns;
  bool heading;
};
// A heading is never taken for one of positions: its words say which column is what, or it is none.
std::optional<CsvForm> csv_form(const std::vector<std::string>& first_record);

// OpenImages' boxes, whose coordinates are parts of the image's size.
bool is_open_images_heading(const std::vector<std::string>& fields);

}  // namespace fovea
