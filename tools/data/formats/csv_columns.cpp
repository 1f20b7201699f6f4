#include "tools/data/formats/csv_columns.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "tools/image/image_file.h"
#include "tools/text/text.h"

namespace fovea {

namespace {

using Words = std::vector<std::string_view>;

const Words kPath{"filename",   "file_name", "file",       "path",      "filepath", "file_path",
                  "image_path", "imagepath", "image_name", "imagename", "img_path", "img_name",
                  "image",      "img",       "image_file", "frame",     "image_id", "imageid"};
const Words kName{"class",         "class_name", "classname", "label", "label_name", "labelname",  "category",
                  "category_name", "object",     "name",      "type",  "class_id",   "category_id"};
// x1, y1, x2, y2.
const std::array<Words, 4> kCorners{{{"x1", "xmin", "x_min", "bbox_x1", "bbox_xmin", "xtl", "left", "minx", "x_1"},
                                     {"y1", "ymin", "y_min", "bbox_y1", "bbox_ymin", "ytl", "top", "miny", "y_1"},
                                     {"x2", "xmax", "x_max", "bbox_x2", "bbox_xmax", "xbr", "right", "maxx", "x_2"},
                                     {"y2", "ymax", "y_max", "bbox_y2", "bbox_ymax", "ybr", "bottom", "maxy", "y_2"}}};
// x, y, width, height.
const std::array<Words, 4> kSides{{{"x", "bbox_x", "left", "xmin", "x_min", "x1"},
                                   {"y", "bbox_y", "top", "ymin", "y_min", "y1"},
                                   {"bbox_width", "bbox_w", "box_width", "w", "width"},
                                   {"bbox_height", "bbox_h", "box_height", "h", "height"}}};
const Words kImageSize{"width", "height", "image_width", "image_height", "img_width", "img_height"};

// The column of the first word that names one; -1: none.
int column_of(const std::vector<std::string>& heading, const Words& words) {
  for (const auto word : words)
    if (const auto found = std::find(heading.begin(), heading.end(), word); found != heading.end())
      return static_cast<int>(found - heading.begin());
  return -1;
}

bool are_numbers(const std::vector<std::string>& fields, size_t first, size_t end) {
  return std::all_of(fields.begin() + static_cast<std::ptrdiff_t>(first),
                     fields.begin() + static_cast<std::ptrdiff_t>(end),
                     [](auto& field) { return parse_number(field).has_value(); });
}

}  // namespace

std::string column_name(const std::string& field) {
  std::string name = lower_case(trimmed(field));
  std::replace_if(name.begin(), name.end(), [](char c) { return c == ' ' || c == '-' || c == '.'; }, '_');
  return name;
}

bool is_heading(const std::vector<std::string>& fields) {
  return std::none_of(fields.begin() + 1, fields.end(),
                      [](auto& field) { return trimmed(field).empty() || parse_number(field); });
}

std::optional<CsvColumns> columns_of_heading(const std::vector<std::string>& fields) {
  std::vector<std::string> heading;
  for (const std::string& field : fields) heading.push_back(column_name(field));
  CsvColumns columns;
  columns.path = column_of(heading, kPath);
  columns.name = column_of(heading, kName);
  for (const bool sides : {false, true}) {
    for (size_t i = 0; i < 4; ++i) columns.box[i] = column_of(heading, (sides ? kSides : kCorners)[i]);
    columns.sides = sides;
    if (*std::min_element(columns.box.begin(), columns.box.end()) >= 0) break;
  }
  if (columns.path < 0 || columns.name < 0 || *std::min_element(columns.box.begin(), columns.box.end()) < 0)
    return std::nullopt;
  columns.fields = static_cast<int>(fields.size());
  columns.expected = fmt::format("{}", fmt::join(heading, ","));
  for (int i = 0; i < columns.fields; ++i) {
    const bool used = i == columns.path || i == columns.name ||
                      std::find(columns.box.begin(), columns.box.end(), i) != columns.box.end();
    const auto& name = heading[static_cast<size_t>(i)];
    if (!used && !name.empty() && std::find(kImageSize.begin(), kImageSize.end(), name) == kImageSize.end())
      columns.unused.push_back(name);
  }
  return columns;
}

std::optional<CsvColumns> columns_of_record(const std::vector<std::string>& fields) {
  const auto is_image = [&](size_t i) { return has_image_ending(std::string(trimmed(fields[i]))); };
  if (fields.size() == 6) return CsvColumns{};
  if (fields.size() != 8) return std::nullopt;
  if (is_image(0) && are_numbers(fields, 1, 3) && !parse_number(fields[3]) && are_numbers(fields, 4, 8))
    return CsvColumns{.path = 0,
                      .box = {4, 5, 6, 7},
                      .name = 3,
                      .fields = 8,
                      .expected = "filename,width,height,class,xmin,ymin,xmax,ymax",
                      .unused = {}};
  if (is_image(5) && are_numbers(fields, 1, 5) && are_numbers(fields, 6, 8))
    return CsvColumns{.path = 5,
                      .sides = true,
                      .name = 0,
                      .fields = 8,
                      .expected = "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height",
                      .unused = {}};
  return std::nullopt;
}

}  // namespace fovea
