#include "tools/data/formats/csv_automl.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/category_names.h"
#include "tools/data/formats/csv_table.h"
#include "tools/data/formats/file_finder.h"
#include "tools/data/formats/folder.h"
#include "tools/image/image_file.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

constexpr size_t kFields = 11;  // with the set

// The split that the word for a set means; none where it is no such word.
std::optional<std::string> split_of_field(const std::string& field) {
  const std::string word = lower_case(trimmed(field));
  if (word == "train" || word == "training") return "train";
  if (word == "validation" || word == "validate") return "val";
  if (word == "test") return "test";
  if (word == "unassigned" || word.empty()) return "unassigned";
  return std::nullopt;
}

// All corners given, as parts of the image's size.
bool are_corners(const std::vector<std::string>& fields) {
  return std::all_of(fields.end() - 8, fields.end(), [](const std::string& field) {
    const auto number = parse_number(field);
    return trimmed(field).empty() || (number && *number >= 0 && *number <= 1);
  });
}

bool is_automl(const std::vector<std::string>& fields) {
  if (fields.size() != kFields && fields.size() != kFields - 1) return false;
  const bool set = fields.size() == kFields;
  const std::string path(trimmed(fields[set ? 1 : 0]));
  return (!set || split_of_field(fields[0])) && (path.starts_with("gs://") || has_image_ending(path)) &&
         are_corners(fields);
}

bool begins_as_automl(const fs::path& file) {
  try {
    CsvTable table(beginning_of(file, 4096), printable(file.native()));
    CsvRecord record;
    return table.next(record) && is_automl(record.fields);
  } catch (const Error&) {  // whoever reads the whole file says what is wrong
    return false;
  }
}

struct Row {
  std::string split, path, name;
  std::array<double, 4> corners;  // x1, y1, x2, y2 in parts of the image's size
  bool box;
  Origin origin;
};

class AutoMlReader : public DatasetReader {
 public:
  AutoMlReader(const fs::path& folder, const std::vector<fs::path>& files) : folder_(folder) {
    for (const fs::path& file : files) read_rows(file);
    for (const Row& row : rows_) splits_.insert(row.split);
    if (splits_ != std::set<std::string>{"unassigned"}) return;
    splits_ = {kWholeSet};
    for (Row& row : rows_) row.split = kWholeSet;
  }

  std::vector<std::string> splits() const override { return {splits_.begin(), splits_.end()}; }

 private:
  RawDataset read_split(const std::string& split) override {
    RawDataset raw;
    raw.name = files_.size() == 1 ? files_[0] : printable(folder_.native());
    raw.files = files_;
    raw.image_root = folder_;
    raw.warnings = warnings_;
    seen_.clear();
    found_.clear();
    std::set<std::string> names;
    for (const Row& row : rows_)
      if (row.box) names.insert(row.name);
    const auto ids = number_categories(raw, names);
    FileFinder finder(folder_, true);
    std::map<std::string, const RawImage*> by_path;
    for (const Row& row : rows_)
      if (row.split == split) add_image(raw, finder, row);
    for (const RawImage& image : raw.images) by_path.emplace(image.file_name, &image);
    for (const Row& row : rows_) {
      if (row.split != split || !row.box) continue;
      const auto image = by_path.find(found_[row.path]);
      if (image == by_path.end()) continue;  // cannot be read
      const double width = image->second->width, height = image->second->height;
      const auto& [x1, y1, x2, y2] = row.corners;
      raw.objects.push_back(
          {.id = static_cast<int64_t>(raw.objects.size()) + 1,
           .image_id = image->second->id,
           .category_id = ids.at(row.name),
           .bbox = box_of_corners(snapped(x1 * width), snapped(y1 * height), snapped(x2 * width), snapped(y2 * height)),
           .area = std::nullopt,
           .crowd = false,
           .origin = row.origin});
    }
    for (const std::string& line : finder.warnings(raw.name)) raw.warnings.push_back(line);
    move_to_root(raw, {split + "/", "images/" + split + "/", "images/"});
    return raw;
  }

  void add_image(RawDataset& raw, FileFinder& finder, const Row& row) {
    const auto [found, added] = found_.try_emplace(row.path);
    if (added) found->second = locate(finder, row);
    if (!seen_.insert(row.split + "\n" + found->second).second) return;
    RawImage image{.id = static_cast<int64_t>(seen_.size()),
                   .file_name = found->second,
                   .width = 0,
                   .height = 0,
                   .origin = row.origin};
    if (take_size_from_file(raw, image)) raw.images.push_back(std::move(image));
  }

  std::string locate(FileFinder& finder, const Row& row) const {
    const std::string base = row.path.substr(row.path.find_last_of('/') + 1);
    for (const std::string& place :
         {std::string(), row.split + "/", "images/" + row.split + "/", std::string("images/")})
      if (const auto found = finder.find(place + row.path)) return *found;
    return base;
  }

  void read_rows(const fs::path& file) {
    const auto index = static_cast<int32_t>(files_.size());
    files_.push_back(printable(file.native()));
    CsvTable table(file);
    std::string warning;
    for (CsvRecord record; table.next(record);) {
      auto& fields = record.fields;
      if (fields.size() == kFields - 1) fields.insert(fields.begin(), "");
      const auto split = split_of_field(fields[0]);
      if (fields.size() != kFields || !split || !are_corners(fields))
        throw fail(table, record, "expected SET,gs://…/image,label and four corners x,y in parts of the image's size");
      Row row{.split = *split,
              .path = std::string(trimmed(fields[1])),
              .name = table.name_in(fields[2], record.line, warning),
              .corners = {},
              .box = false,
              .origin = {index, record.line}};
      if (row.path.empty()) throw fail(table, record, "the path is empty");
      row.box = take_corners(fields, row.corners);
      if (row.box == row.name.empty()) throw fail(table, record, row.box ? "the label is empty" : "has no box");
      rows_.push_back(std::move(row));
    }
    if (!warning.empty()) warnings_.push_back(warning);
  }

  static Error fail(const CsvTable& table, const CsvRecord& record, const char* why) {
    return {ErrorKind::Data, table.place(record.line) + ": " + why};
  }

  // False where none, or one alone, is given.
  static bool take_corners(const std::vector<std::string>& fields, std::array<double, 4>& corners) {
    std::vector<double> x, y;
    for (size_t i = 3; i < kFields; i += 2) {
      if (const auto number = parse_number(fields[i])) x.push_back(*number);
      if (const auto number = parse_number(fields[i + 1])) y.push_back(*number);
    }
    if (x.size() < 2 || y.size() < 2) return false;
    const auto [x1, x2] = std::minmax_element(x.begin(), x.end());
    const auto [y1, y2] = std::minmax_element(y.begin(), y.end());
    corners = {*x1, *y1, *x2, *y2};
    return true;
  }

  fs::path folder_;
  std::vector<std::string> files_, warnings_;
  std::vector<Row> rows_;
  std::set<std::string> splits_, seen_;
  std::map<std::string, std::string> found_;  // the path below the folder, by what the file says
};

}  // namespace

std::unique_ptr<DatasetReader> open_automl_csv(const fs::path& path, const LoadOptions& options) {
  const bool one_table = is_file(path);
  const fs::path folder = one_table ? fs::absolute(path).parent_path() : path;
  std::vector<fs::path> files;
  if (one_table) {
    files = {path};
  } else {
    for (const std::string& name : files_in(path))
      if (has_ending(name, ".csv")) files.push_back(path / name);
  }
  std::erase_if(files, [](const fs::path& file) { return !begins_as_automl(file); });
  if (files.empty()) return nullptr;
  return std::make_unique<AutoMlReader>(options.images.empty() ? folder : options.images, files);
}

}  // namespace fovea
