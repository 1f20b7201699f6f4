#include "tools/data/formats/open_images.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <unordered_map>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/csv_columns.h"
#include "tools/data/formats/csv_files.h"
#include "tools/data/formats/csv_table.h"
#include "tools/image/image_file.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 3> kSplits{"train", "validation", "test"};

// "oidv6-train-annotations-bbox.csv" is of the split train, as is train/labels/detections.csv.
std::string split_of(const fs::path& below) {
  std::string name = lower_case(below.string());
  std::replace(name.begin(), name.end(), '\\', '/');
  for (const auto split : kSplits)
    if (name.find(split) != name.npos) return std::string(split);
  return name.find("/val") != name.npos || name.starts_with("val") ? "validation" : kWholeSet;
}

struct Tables {
  std::map<std::string, std::vector<fs::path>> boxes;  // by split
  std::vector<fs::path> names;
};

bool is_table_of_names(const std::string& file) {
  const std::string name = lower_case(file);
  return has_ending(name, ".csv") && (name.find("class-descriptions") != name.npos || name == "classes.csv");
}

std::optional<CsvRecord> heading_of(const fs::path& file) {
  try {
    CsvTable table(beginning_of(file, 4096), "");
    CsvRecord record;
    return table.next(record) ? std::optional(record) : std::nullopt;
  } catch (const Error&) {  // whoever reads the whole file says what is wrong
    return std::nullopt;
  }
}

// Where tables usually lie; other folders hold images, and may be large.
bool may_hold_tables(const std::string& folder) {
  constexpr std::array<std::string_view, 7> names{"annotations", "csv",   "csv_folder", "labels",
                                                  "metadata",    "boxes", "bbox"};
  return std::find(names.begin(), names.end(), lower_case(folder)) != names.end();
}

Tables find_tables(const fs::path& root) {
  std::vector<fs::path> folders{""};
  for (const std::string& folder : folders_in(root)) {
    if (may_hold_tables(folder)) folders.emplace_back(folder);
    if (split_of(folder) == kWholeSet) continue;
    for (const std::string& inside : folders_in(root / folder))
      if (may_hold_tables(inside)) folders.push_back(fs::path(folder) / inside);
  }
  Tables tables;
  for (const fs::path& folder : folders)
    for (const std::string& file : files_in(root / folder)) {
      if (!has_ending(file, ".csv")) continue;
      const fs::path path = folder / file;
      if (is_table_of_names(file))
        tables.names.push_back(path);
      else if (const auto heading = heading_of(root / path); heading && is_open_images_heading(heading->fields))
        tables.boxes[split_of(path)].push_back(path);
    }
  return tables;
}

class OpenImagesReader : public DatasetReader {
 public:
  OpenImagesReader(const fs::path& root, Tables tables, fs::path images)
      : root_(root), tables_(std::move(tables)), images_folder_(std::move(images)) {}

  std::vector<std::string> splits() const override { return names_of(tables_.boxes); }

 private:
  struct Columns {
    int image = -1, label = -1, group = -1;
    std::array<int, 4> box{-1, -1, -1, -1};  // XMin, YMin, XMax, YMax
    size_t fields = 0;
  };

  RawDataset read_split(const std::string& split) override {
    RawDataset raw;
    raw.name = printable((root_ / tables_.boxes.at(split)[0]).native());
    raw.image_root = images_folder_.empty() ? root_ : images_folder_;
    find_images(split, raw.image_root);
    read_names(raw);
    absent_.clear();
    images_.clear();
    for (const fs::path& table : tables_.boxes.at(split)) read_boxes(raw, root_ / table);
    if (raw.images.empty())
      throw Error(ErrorKind::Data,
                  fmt::format("{}: none of its {} images is there; looked for {}.jpg and the like below {}", raw.name,
                              absent_.size(), printable(absent_.empty() ? "" : *absent_.begin()),
                              printable(raw.image_root.native())));
    if (!absent_.empty())
      raw.warnings.push_back(fmt::format("{}: {} of its {} images are not there and are left out; the first: {}",
                                         raw.name, absent_.size(), absent_.size() + raw.images.size(),
                                         printable(*absent_.begin())));
    move_to_root(raw, {split + "/images/", split + "/data/", split + "/", "images/" + split + "/", "images/"});
    return raw;
  }

  // Files by the image's id. Those in a folder of the split are of that split.
  void find_images(const std::string& split, const fs::path& root) {
    file_of_.clear();
    for (const std::string& file : files_below(root, &passed_)) {
      if (!has_image_ending(file)) continue;
      const std::string id = fs::path(file).stem().string();
      const auto [found, added] = file_of_.emplace(id, file);
      if (!added && split_of(file) == split && split_of(found->second) != split) found->second = file;
    }
  }

  // In the order of the table; of the set's boxes where there is no table.
  void read_names(RawDataset& raw) {
    label_.clear();
    std::string warning;
    if (tables_.names.empty()) {
      name_by_code(raw);
      return;
    }
    const fs::path file = root_ / tables_.names[0];
    CsvTable table(file);
    std::set<std::string> used = codes_used();
    for (CsvRecord record; table.next(record);) {
      if (record.fields.size() != 2)
        throw Error(ErrorKind::Data, table.place(record.line) + ": expected a class's id and its name");
      const std::string code(trimmed(record.fields[0]));
      if (column_name(code) == "labelname" || !used.contains(code)) continue;
      add_class(raw, code, table.name_in(record.fields[1], record.line, warning));
      used.erase(code);
    }
    for (const std::string& code : used) add_class(raw, code, code);
    if (!used.empty())
      raw.warnings.push_back(
          fmt::format("{}: {} classes of the boxes have no name here and go by their ids; the first: {}",
                      printable(file.native()), used.size(), printable(*used.begin())));
    if (!warning.empty()) raw.warnings.push_back(warning);
  }

  void name_by_code(RawDataset& raw) {
    for (const std::string& code : codes_used()) add_class(raw, code, code);
    raw.warnings.push_back(raw.name + ": there is no class-descriptions.csv: classes go by their ids");
  }

  void add_class(RawDataset& raw, const std::string& code, const std::string& name) {
    const auto id = static_cast<int64_t>(raw.categories.size());
    if (label_.emplace(code, id).second) raw.categories.push_back({id, name});
  }

  // Of all boxes whose images are there, in all splits, so that classes have the same ids in each.
  const std::set<std::string>& codes_used() {
    if (!codes_.empty()) return codes_;
    for (const auto& [split, files] : tables_.boxes)
      for (const fs::path& file : files) {
        CsvTable table(root_ / file);
        CsvRecord record;
        if (!table.next(record)) continue;
        const Columns columns = columns_of(table, record);
        while (table.next(record))
          if (record.fields.size() == columns.fields &&
              file_of_.contains(std::string(trimmed(record.fields[static_cast<size_t>(columns.image)]))))
            codes_.insert(std::string(trimmed(record.fields[static_cast<size_t>(columns.label)])));
      }
    return codes_;
  }

  static Columns columns_of(const CsvTable& table, const CsvRecord& heading) {
    Columns columns;
    columns.fields = heading.fields.size();
    constexpr std::array<std::string_view, 4> box{"xmin", "ymin", "xmax", "ymax"};
    for (int i = 0; i < static_cast<int>(columns.fields); ++i) {
      const std::string name = column_name(heading.fields[static_cast<size_t>(i)]);
      if (name == "imageid") columns.image = i;
      if (name == "labelname") columns.label = i;
      if (name == "isgroupof") columns.group = i;
      for (size_t b = 0; b < 4; ++b)
        if (name == box[b]) columns.box[b] = i;
    }
    if (std::min({columns.image, columns.label, *std::min_element(columns.box.begin(), columns.box.end())}) < 0)
      throw Error(ErrorKind::Data,
                  table.place(heading.line) + ": expected columns ImageID, LabelName, XMin, XMax, YMin, YMax");
    return columns;
  }

  void read_boxes(RawDataset& raw, const fs::path& file) {
    raw.files.push_back(printable(file.native()));
    const auto index = static_cast<int32_t>(raw.files.size()) - 1;
    CsvTable table(file);
    CsvRecord record;
    if (!table.next(record)) return;
    const Columns columns = columns_of(table, record);
    while (table.next(record)) add_box(raw, table, columns, record, index);
  }

  void add_box(RawDataset& raw, const CsvTable& table, const Columns& columns, const CsvRecord& record, int32_t file) {
    const auto field = [&](int column) -> const std::string& { return record.fields[static_cast<size_t>(column)]; };
    if (record.fields.size() != columns.fields)
      throw Error(ErrorKind::Data, fmt::format("{}: has {} fields, expected {} as in the heading",
                                               table.place(record.line), record.fields.size(), columns.fields));
    const std::string id(trimmed(field(columns.image)));
    const auto found = file_of_.find(id);
    if (found == file_of_.end()) {
      absent_.insert(id);
      return;
    }
    const auto [image, added] = images_.try_emplace(id);
    if (added) {
      image->second = {.id = static_cast<int64_t>(raw.images.size() + raw.bad_images.size()) + 1,
                       .file_name = found->second,
                       .width = 0,
                       .height = 0,
                       .origin = {file, record.line}};
      if (take_size_from_file(raw, image->second)) raw.images.push_back(image->second);
    }
    if (image->second.width == 0) return;  // it cannot be read
    std::array<double, 4> parts{};
    for (size_t i = 0; i < 4; ++i) {
      const auto number = table.number(field(columns.box[i]));
      if (!number)
        throw Error(ErrorKind::Data,
                    fmt::format("{}: {}: expected a number, found \"{}\"", table.place(record.line),
                                std::array{"XMin", "YMin", "XMax", "YMax"}[i], excerpt(field(columns.box[i]))));
      parts[i] = *number;
    }
    const double w = image->second.width, h = image->second.height;
    raw.objects.push_back({.id = static_cast<int64_t>(raw.objects.size()) + 1,
                           .image_id = image->second.id,
                           .category_id = label_.at(std::string(trimmed(field(columns.label)))),
                           .bbox = box_of_corners(snapped(parts[0] * w), snapped(parts[1] * h), snapped(parts[2] * w),
                                                  snapped(parts[3] * h)),
                           .area = std::nullopt,
                           .crowd = columns.group >= 0 && trimmed(field(columns.group)) == "1",
                           .origin = {file, record.line}});
  }

  fs::path root_;
  Tables tables_;
  fs::path images_folder_;
  std::set<std::string> codes_, absent_;
  std::unordered_map<std::string, std::string> file_of_;
  std::unordered_map<std::string, RawImage> images_;  // of the split, by id
  std::map<std::string, int64_t> label_;
};

}  // namespace

std::unique_ptr<DatasetReader> open_open_images(const fs::path& folder, const LoadOptions& options) {
  if (!is_folder(folder)) return nullptr;
  Tables tables = find_tables(folder);
  if (tables.boxes.empty()) return nullptr;
  return std::make_unique<OpenImagesReader>(folder, std::move(tables), options.images);
}

}  // namespace fovea
