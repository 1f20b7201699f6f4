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

// Words without _ between them, and without "bbox" before those of a box.
const Words kPath{"filename", "file",  "path", "filepath", "imagepath", "imagename",     "imgpath",
                  "imgname",  "image", "img",  "imgfile",  "imgid",     "imagefilename", "imagefile",
                  "imageurl", "url",   "uri",  "frame",    "imageid",   "picture"};
const Words kName{"class", "classname", "label", "labelname", "category", "categoryname", "object",
                  "name",  "type",      "cls",   "tag",       "classid",  "categoryid"};
const Words kWidth{"w", "width"}, kHeight{"h", "height"};
const Words kLeft{"x1",  "xmin", "xtl", "left", "minx",   "xleft",  "leftx",      "xstart",   "startx",    "topleftx",
                  "tlx", "xlt",  "ltx", "ulx",  "colmin", "mincol", "upperleftx", "xtopleft", "columnmin", "x"};
const Words kTop{"y1",  "ymin", "ytl", "top", "miny",   "ytop",   "topy",       "ystart",   "starty", "toplefty",
                 "tly", "ylt",  "lty", "uly", "rowmin", "minrow", "upperlefty", "ytopleft", "y"};
const Words kRight{"x2",     "xmax",   "xbr",          "right",        "maxx",     "xright", "rightx",
                   "xend",   "endx",   "bottomrightx", "brx",          "xrb",      "rbx",    "lrx",
                   "colmax", "maxcol", "lowerrightx",  "xbottomright", "columnmax"};
const Words kBottom{"y2",      "ymax", "ybr",    "bottom",       "maxy",        "ybottom",
                    "bottomy", "yend", "endy",   "bottomrighty", "bry",         "yrb",
                    "rby",     "lry",  "rowmax", "maxrow",       "lowerrighty", "ybottomright"};
const Words kCenterX{"xcenter", "centerx", "cx", "xc", "xcentre", "centrex", "xmid", "midx"};
const Words kCenterY{"ycenter", "centery", "cy", "yc", "ycentre", "centrey", "ymid", "midy"};

struct BoxWords {
  CsvBox kind;
  std::array<Words, 4> words;
};
const std::array<BoxWords, 4> kBoxes{{{CsvBox::Corners, {kLeft, kTop, kRight, kBottom}},
                                      {CsvBox::Corners, {{{"x0"}, {"y0"}, {"x1"}, {"y1"}}}},
                                      {CsvBox::Center, {kCenterX, kCenterY, kWidth, kHeight}},
                                      {CsvBox::Sides, {kLeft, kTop, kWidth, kHeight}}}};
// All four numbers in one field.
const Words kWholeSides{"bbox", "box", "boundingbox", "bndbox", "xywh", "bboxxywh"}, kWholeCorners{"xyxy", "bboxxyxy"};
// What says nothing of boxes or classes.
const Words kAside{"width", "height", "imagewidth", "imageheight", "imgwidth", "imgheight",
                   "",      "source", "id",         "area",        "score",    "confidence"};
const Words kImageSize{"width", "height", "image_width", "image_height", "img_width", "img_height"};

bool contains(const Words& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string joined(const std::string& field) {
  std::string word = column_name(field);
  std::erase(word, '_');
  return word;
}

// Without what says only that it is of a box.
std::string of_box(const std::string& field) {
  std::string word = joined(field);
  for (const std::string_view head : {"boundingbox", "bndbox", "bbox", "box", "bb", "rect"})
    if (word.size() > head.size() && word.starts_with(head)) return word.substr(head.size());
  return word;
}

// What a heading says, in the two forms that words are compared in.
struct Heading {
  explicit Heading(const std::vector<std::string>& fields) {
    for (const std::string& field : fields) {
      plain.push_back(joined(field));
      box.push_back(of_box(field));
    }
  }
  std::vector<std::string> plain, box;
};

// The column of the first word that names one; -1: none.
int column_of(const std::vector<std::string>& heading, const Words& words) {
  for (const auto word : words)
    if (const auto found = std::find(heading.begin(), heading.end(), word); found != heading.end())
      return static_cast<int>(found - heading.begin());
  return -1;
}

// Of a box; first of those that say so: "bbox_width" is no width of the image.
int box_column(const Heading& heading, const Words& words) {
  for (const auto word : words)
    for (const bool said : {true, false})
      for (size_t i = 0; i < heading.box.size(); ++i)
        if (heading.box[i] == word && (heading.box[i] != heading.plain[i]) == said) return static_cast<int>(i);
  return -1;
}

bool is_whole(const std::array<int, 4>& box) { return *std::min_element(box.begin(), box.end()) >= 0; }

bool find_box(const Heading& heading, CsvColumns& columns) {
  for (const auto& [kind, words] : kBoxes) {
    for (size_t i = 0; i < 4; ++i) columns.box[i] = box_column(heading, words[i]);
    columns.kind = kind;
    if (is_whole(columns.box)) return true;
  }
  for (const bool corners : {false, true}) {
    columns.box.fill(column_of(heading.plain, corners ? kWholeCorners : kWholeSides));
    columns.kind = corners ? CsvBox::Corners : CsvBox::Sides;
    if (is_whole(columns.box)) return true;
  }
  return false;
}

bool in_one_field(const CsvColumns& columns) { return columns.box[0] == columns.box[1]; }

bool is_used(const CsvColumns& columns, int i) {
  return i == columns.path || i == columns.name ||
         std::find(columns.box.begin(), columns.box.end(), i) != columns.box.end();
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
  const Heading heading(fields);
  CsvColumns columns;
  columns.path = column_of(heading.plain, kPath);
  columns.name = column_of(heading.plain, kName);
  if (columns.path < 0 || !find_box(heading, columns)) return std::nullopt;
  const auto is_aside = [&](int i) {
    return is_used(columns, i) || contains(kAside, heading.plain[static_cast<size_t>(i)]);
  };
  columns.fields = static_cast<int>(fields.size());
  for (int i = 0; i < columns.fields && columns.name < 0; ++i)
    if (!in_one_field(columns) || !is_aside(i)) return std::nullopt;
  std::vector<std::string> names;
  for (const std::string& field : fields) names.push_back(column_name(field));
  columns.expected = fmt::format("{}", fmt::join(names, ","));
  for (int i = 0; i < columns.fields; ++i) {
    const auto& name = names[static_cast<size_t>(i)];
    if (!is_used(columns, i) && !name.empty() && !contains(kImageSize, name)) columns.unused.push_back(name);
  }
  return columns;
}

std::string heading_fault(const std::vector<std::string>& fields) {
  const Heading heading(fields);
  CsvColumns columns;
  columns.path = column_of(heading.plain, kPath);
  columns.name = column_of(heading.plain, kName);
  const bool box = find_box(heading, columns);
  std::vector<std::string> unknown, lacks;
  bool any_of_box = false;
  for (size_t i = 0; i < fields.size(); ++i) {
    const bool of_this = std::any_of(kBoxes.begin(), kBoxes.end(), [&](const BoxWords& boxes) {
      return std::any_of(boxes.words.begin(), boxes.words.end(),
                         [&](const Words& words) { return contains(words, heading.box[i]); });
    });
    any_of_box = any_of_box || of_this;
    const bool known = of_this || contains(kAside, heading.plain[i]) || contains(kPath, heading.plain[i]) ||
                       contains(kName, heading.plain[i]);
    if (!known) unknown.push_back(column_name(fields[i]));
  }
  if (columns.path < 0 && columns.name < 0 && !any_of_box) return "";
  if (columns.path < 0) lacks.emplace_back("path");
  if (!box) lacks.emplace_back("box");
  if (columns.name < 0) lacks.emplace_back("class");
  std::string text = fmt::format("names no {}", fmt::join(lacks, ", no "));
  if (!unknown.empty()) text += fmt::format("; not known: {}", fmt::join(unknown, ", "));
  return text;
}

std::optional<std::array<double, 4>> four_numbers(const std::string& field) {
  std::string bare = field;
  std::replace_if(
      bare.begin(), bare.end(), [](char c) { return std::string_view("[](){},;").find(c) != std::string_view::npos; },
      ' ');
  const auto words = words_of(bare);
  std::array<double, 4> numbers{};
  if (words.size() != numbers.size()) return std::nullopt;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto number = parse_number(words[i]);
    if (!number) return std::nullopt;
    numbers[i] = *number;
  }
  return numbers;
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
                      .kind = CsvBox::Sides,
                      .name = 0,
                      .fields = 8,
                      .expected = "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height",
                      .unused = {}};
  return std::nullopt;
}

}  // namespace fovea
