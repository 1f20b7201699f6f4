#include "tools/data/formats/csv.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/csv_automl.h"
#include "tools/data/formats/csv_files.h"
#include "tools/data/formats/file_finder.h"
#include "tools/data/formats/folder.h"
#include "tools/image/image_file.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

constexpr const char* kOneClass = "object";

std::array<double, 4> box_of(const std::array<double, 4>& box, CsvBox kind) {
  if (kind == CsvBox::Corners) return box_of_corners(box[0], box[1], box[2], box[3]);
  if (kind == CsvBox::Sides) return box;
  return {snapped(box[0] - box[2] / 2), snapped(box[1] - box[3] / 2), box[2], box[3]};
}

class CsvReader : public DatasetReader {
 public:
  CsvReader(const fs::path& folder, CsvFiles files, bool doubled)
      : folder_(folder), files_(std::move(files)), doubled_(doubled), finder_(folder, true) {}

  std::vector<std::string> splits() const override { return names_of(files_.splits); }

  Sources sources() override {
    Sources sources{.folders = {}, .files = {}, .endings = {".csv", ".tsv"}, .is_annotations = is_table_of_boxes};
    for (const auto& [split, file] : files_.splits) sources.files.push_back(file);
    return sources;
  }

 private:
  RawDataset read_split(const std::string& split) override {
    const fs::path& path = files_.splits.at(split);
    images_.clear();
    said_.clear();
    without_box_ = {};
    label_.clear();
    finder_ = FileFinder(folder_, true);
    RawDataset raw;
    raw.name = printable(path.native());
    raw.files = {raw.name};
    raw.image_root = folder_;
    raw.categories = categories();
    for (const Category& category : raw.categories) label_[category.name] = category.id;
    name_places(split, path);
    CsvTable table(path);
    const auto form = read_heading(table, &raw.warnings);
    raw.sides = form && form->columns.kind == CsvBox::Sides;
    std::string warning;
    for (CsvRecord record; form && table.next(record);) add_record(raw, table, form->columns, record, warning);
    if (!warning.empty()) raw.warnings.push_back(warning);
    if (without_box_.count > 0)
      raw.warnings.push_back(
          fmt::format("{}: {} rows name a class but have no box: they add no object to their "
                      "images; the first: {}",
                      raw.name, without_box_.count, without_box_.first));
    for (const std::string& line : finder_.warnings(raw.name)) raw.warnings.push_back(line);
    std::vector<std::string> folders = places_;
    std::erase(folders, "");
    move_to_root(raw, folders);
    return raw;
  }

  static Error fail(const RawDataset& raw, int line, const std::string& why) {
    return {ErrorKind::Data, fmt::format("{}:{}: {}", raw.name, line, why)};
  }

  // Folders of images, the likeliest first: that of the file itself, and those of the split.
  void name_places(const std::string& split, const fs::path& file) {
    const auto own = path_below(fs::absolute(folder_), fs::absolute(file).parent_path());
    places_ = {own && *own != "." ? *own + "/" : ""};
    for (const std::string& place :
         {std::string(), split + "/", "images/" + split + "/", split + "/images/", std::string("images/")})
      places_.push_back(place);
  }

  // Leaves the table at its first record of data. None: there is no record at all.
  static std::optional<CsvForm> read_heading(CsvTable& table, std::vector<std::string>* warnings) {
    CsvRecord first;
    if (!table.next(first)) return std::nullopt;
    auto form = csv_form(first.fields);
    if (!form) form = CsvForm{{}, false};
    if (!form->heading) {
      table.rewind();
      return form;
    }
    if (warnings == nullptr) return form;
    if (form->columns.expected == CsvColumns{}.expected)
      warnings->push_back(table.place(first.line) + ": skipped, as it is a header");
    if (!form->columns.unused.empty())
      warnings->push_back(fmt::format("{}: columns that are not used: {}", table.place(first.line),
                                      printable(fmt::format("{}", fmt::join(form->columns.unused, ", ")))));
    if (form->columns.name < 0)
      warnings->push_back(
          fmt::format("{}: no column names the class: all boxes are of one, '{}'", table.place(first.line), kOneClass));
    return form;
  }

  std::vector<Category> categories() const { return files_.class_map.empty() ? names_found() : names_mapped(); }

  // Lines name,id, or id,name where one alone can be meant; the first may be a heading.
  std::vector<Category> names_mapped() const {
    std::vector<Category> list;
    std::set<std::string> names;
    const std::string file = printable(files_.class_map.native());
    CsvTable table(files_.class_map);
    std::string warning;
    for (CsvRecord record; table.next(record);) {
      auto& fields = record.fields;
      const bool heading = list.empty() && fields.size() == 2 && is_map_heading(fields);
      if (heading) continue;
      if (fields.size() == 2 && parse_id(fields[0]) && !parse_id(fields[1])) std::swap(fields[0], fields[1]);
      const auto id = fields.size() == 2 ? parse_id(fields[1]) : std::nullopt;
      if (!id)
        throw Error(ErrorKind::Data,
                    fmt::format("{}:{}: expected name,id with a whole number below 2^53 as id", file, record.line));
      const std::string name = table.name_in(fields[0], record.line, warning);
      if (!names.insert(name).second && !doubled_)
        throw Error(ErrorKind::Data,
                    fmt::format("{}:{}: the class '{}' is listed twice", file, record.line, printable(name)));
      list.push_back({*id, name});
    }
    return list;
  }

  static bool is_map_heading(const std::vector<std::string>& fields) {
    const std::set<std::string> names{"name", "class", "class_name", "classname", "label", "label_name", "category"};
    const std::set<std::string> ids{"id", "class_id", "classid", "index", "label_id", "category_id"};
    const std::string a = column_name(fields[0]), b = column_name(fields[1]);
    return (names.contains(a) && ids.contains(b)) || (ids.contains(a) && names.contains(b));
  }

  std::vector<Category> names_found() const {
    std::set<std::string> names;
    std::string warning;
    for (const auto& [split, path] : files_.splits) {
      CsvTable table(path);
      const auto form = read_heading(table, nullptr);
      for (CsvRecord record; form && table.next(record);)
        if (form->columns.name < 0) {
          names.insert(kOneClass);
        } else if (record.fields.size() == static_cast<size_t>(form->columns.fields)) {
          const std::string& field = record.fields[static_cast<size_t>(form->columns.name)];
          if (!trimmed(field).empty() && !has_no_box(form->columns, record))
            names.insert(table.name_in(field, record.line, warning));
        }
    }
    std::vector<Category> list;
    for (const std::string& name : names) list.push_back({static_cast<int64_t>(list.size()), name});
    return list;
  }

  // The image's path below the folder: in the first place where there is such a file.
  std::string locate(const RawDataset& raw, const std::string& said, int line) {
    const auto below = path_below(folder_, said);
    if (!below && is_there(folder_ / said)) throw outside(raw, said, line);
    const std::string bare(trimmed(said));
    for (const std::string& place : places_)
      if (const auto found = below ? path_below(folder_, place + *below) : std::nullopt;
          found && is_there(folder_ / *found))
        return *found;
    for (const std::string& place : places_)
      if (const auto found = finder_.find(place + bare)) return *found;
    for (const std::string& place : places_)
      for (const char* ending : {".jpg", ".jpeg", ".png"})  // image_id without it
        if (const std::string whole = place + bare + ending; !has_image_ending(bare) && is_there(folder_ / whole))
          return whole;
    if (!below) throw outside(raw, said, line);
    return *below;
  }

  Error outside(const RawDataset& raw, const std::string& said, int line) const {
    return fail(raw, line,
                fmt::format("the path \"{}\" lies outside {}: put the CSV files into the folder that holds all images",
                            printable(said), printable(folder_.native())));
  }

  // The image of a path, read before or new; none where it cannot be read.
  std::optional<int64_t> image_of(RawDataset& raw, const std::string& said, int line) {
    if (const auto known = said_.find(said); known != said_.end()) return known->second;
    const std::string below = locate(raw, said, line);
    const auto [found, added] = images_.try_emplace(below);
    if (added) {
      RawImage image{
          .id = static_cast<int64_t>(images_.size()), .file_name = below, .width = 0, .height = 0, .origin = {0, line}};
      if (take_size_from_file(raw, image)) {
        found->second = image.id;
        raw.images.push_back(std::move(image));
      }
    }
    said_[said] = found->second;
    return found->second;
  }

  void add_record(RawDataset& raw, const CsvTable& table, const CsvColumns& columns, const CsvRecord& record,
                  std::string& warning) {
    const auto& fields = record.fields;
    if (fields.size() != static_cast<size_t>(columns.fields))
      throw fail(raw, record.line,
                 fmt::format("has {} fields, expected {}: {}", fields.size(), columns.fields, columns.expected));
    const std::string& path = fields[static_cast<size_t>(columns.path)];
    const std::string name = columns.name < 0
                                 ? std::string(kOneClass)
                                 : table.name_in(fields[static_cast<size_t>(columns.name)], record.line, warning);
    if (trimmed(path).empty()) throw fail(raw, record.line, "the path is empty");
    const bool no_object = has_no_box(columns, record);
    if (no_object && columns.name >= 0 && !name.empty() && without_box_.count++ == 0)
      without_box_.first = fmt::format("{}: '{}'", table.place(record.line), printable(name));
    const auto box = no_object ? std::array<double, 4>{} : numbers_of(raw, table, columns, record);
    if (!no_object && name.empty()) throw fail(raw, record.line, "the class is empty");
    const auto image = image_of(raw, path, record.line);
    if (!image || no_object) return;
    RawObject object{.id = static_cast<int64_t>(raw.objects.size()) + 1,
                     .image_id = *image,
                     .category_id = -1,
                     .bbox = box_of(box, columns.kind),
                     .area = std::nullopt,
                     .crowd = false,
                     .origin = {0, record.line}};
    const auto label = label_.find(name);
    if (label != label_.end()) {
      object.category_id = label->second;
    } else {  // any id that is no category's
      object.category_id = std::numeric_limits<int64_t>::min() + static_cast<int64_t>(raw.unknown_names.size());
      raw.unknown_names.emplace(object.category_id, name);
    }
    raw.objects.push_back(object);
  }

  // As tables have it of images that show nothing, sometimes with a class such as "No finding".
  static bool has_no_box(const CsvColumns& columns, const CsvRecord& record) {
    return std::all_of(columns.box.begin(), columns.box.end(),
                       [&](int i) { return trimmed(record.fields[static_cast<size_t>(i)]).empty(); });
  }

  static std::array<double, 4> numbers_of(const RawDataset& raw, const CsvTable& table, const CsvColumns& columns,
                                          const CsvRecord& record) {
    std::array<double, 4> box{};
    if (columns.box[0] != columns.box[1]) {
      for (size_t i = 0; i < 4; ++i) box[i] = number_of(raw, table, columns, record, i);
      return box;
    }
    const std::string& field = record.fields[static_cast<size_t>(columns.box[0])];
    if (const auto numbers = four_numbers(field)) return *numbers;
    throw fail(raw, record.line, fmt::format("the box: expected four numbers, found \"{}\"", excerpt(field)));
  }

  static double number_of(const RawDataset& raw, const CsvTable& table, const CsvColumns& columns,
                          const CsvRecord& record, size_t i) {
    const std::string& field = record.fields[static_cast<size_t>(columns.box[i])];
    if (const auto number = table.number(field)) return *number;
    using Words = std::array<const char*, 4>;
    const Words what = columns.kind == CsvBox::Corners ? Words{"x1", "y1", "x2", "y2"}
                       : columns.kind == CsvBox::Sides ? Words{"x", "y", "width", "height"}
                                                       : Words{"xcenter", "ycenter", "width", "height"};
    throw fail(raw, record.line, fmt::format("{}: expected a number, found \"{}\"", what[i], excerpt(field)));
  }

  fs::path folder_;
  CsvFiles files_;
  bool doubled_;  // names of the class map may come twice
  FileFinder finder_;
  std::vector<std::string> places_;
  std::map<std::string, std::optional<int64_t>> images_, said_;  // by the path below the folder, and as files say it
  std::map<std::string, int64_t> label_;
  struct {
    size_t count = 0;
    std::string first;
  } without_box_;  // rows of a class
};

bool is_table(const fs::path& path) {
  const std::string name = path.filename().string();
  return is_file(path) && (has_ending(name, ".csv") || has_ending(name, ".tsv"));
}

}  // namespace

std::unique_ptr<DatasetReader> open_csv(const fs::path& path, const LoadOptions& options) {
  const bool file = is_file(path);
  if (!is_folder(path) && !is_table(path)) return nullptr;
  if (auto reader = open_automl_csv(path, options)) return reader;
  CsvFiles files = file ? csv_file_alone(path) : find_csv_files(path);
  if (files.splits.empty() && options.format == DatasetFormat::Csv && !files.fault.empty())
    throw Error(ErrorKind::Data, files.fault);
  if (files.splits.empty()) return nullptr;
  const fs::path folder = file ? fs::absolute(path).parent_path() : path;
  return std::make_unique<CsvReader>(options.images.empty() ? folder : options.images, std::move(files),
                                     options.merge_classes);
}

std::string csv_without_boxes(const fs::path& folder) {
  return is_folder(folder)  ? find_csv_files(folder).fault
         : is_table(folder) ? csv_file_alone(folder).fault
                            : std::string();
}

}  // namespace fovea
