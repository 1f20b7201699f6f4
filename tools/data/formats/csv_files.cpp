#include "tools/data/formats/csv_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/format.h"
#include "tools/data/formats/split_names.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

template <size_t kCount>
bool is_one_of(const std::array<std::string_view, kCount>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_class_map(const std::string& file) {
  constexpr std::array<std::string_view, 5> names{"classes.csv", "class_map.csv", "class_mapping.csv", "_classes.csv",
                                                  "class_names.csv"};
  return is_one_of(names, lower_case(file));
}

// "train_annotations.csv", "annotations_train.csv" and "train_labels.csv" are of the split train; "annotations.csv" of
// the whole set.
std::string split_named_by(const std::string& file) {
  std::string name = fs::path(file).stem().string();
  while (name.starts_with('_')) name.erase(0, 1);
  for (const std::string_view word : {"annotations", "labels"}) {
    const std::string lower = lower_case(name);
    if (lower == word) return kWholeSet;
    if (lower.size() <= word.size() + 1) continue;
    const size_t rest = name.size() - word.size() - 1;
    const auto joins = [](char c) { return c == '_' || c == '-'; };
    if (lower.ends_with(word) && joins(lower[rest])) return name.substr(0, rest);
    if (lower.starts_with(word) && joins(lower[word.size()]) && is_split_name(name.substr(word.size() + 1)))
      return name.substr(word.size() + 1);
  }
  return name;
}

// `fault`: why there is none, where it is damaged.
std::optional<CsvRecord> first_record(const fs::path& file, char& separator, std::string& fault) {
  try {
    CsvTable table(beginning_of(file, 4096), printable(file.native()));
    separator = table.separator();
    CsvRecord record;
    return table.next(record) ? std::optional(record) : std::nullopt;
  } catch (const Error& error) {
    fault = error.what();
    return std::nullopt;
  }
}

const char* word_for(char separator) {
  return separator == ',' ? "commas" : separator == ';' ? "semicolons" : separator == '|' ? "bars" : "tabs";
}

class CsvFinder {
 public:
  explicit CsvFinder(const fs::path& root) : root_(root) {}

  CsvFiles find() {
    look_in("");
    if (!files_.splits.empty()) return only_one_is_whole();
    for (const std::string& folder : folders_in(root_))
      if (is_split_name(folder)) look_beside_images(folder);
    if (!files_.splits.empty()) return files_;
    constexpr std::array<std::string_view, 4> usual{"annotations", "data", "labels", "csv"};
    for (const std::string& folder : folders_in(root_))
      if (is_one_of(usual, lower_case(folder))) look_in(folder);
    return only_one_is_whole();
  }

  CsvFiles alone(const std::string& file) {
    take(file, kWholeSet);
    for (const std::string& other : files_in(root_))
      if (is_class_map(other)) files_.class_map = root_ / other;
    return files_;
  }

 private:
  void look_in(const fs::path& folder) {
    for (const std::string& file : files_in(root_ / folder)) {
      if (!has_ending(file, ".csv") && !has_ending(file, ".tsv")) continue;
      if (is_class_map(file)) {
        if (files_.class_map.empty()) files_.class_map = root_ / folder / file;
      } else {
        take(folder / file, split_named_by(file));
      }
    }
  }

  // In the folder of a split, by names: it may hold many images.
  void look_beside_images(const std::string& split) {
    const fs::path folder = root_ / split;
    for (const char* name : {"_classes.csv", "classes.csv"})
      if (files_.class_map.empty() && is_file(folder / name)) files_.class_map = folder / name;
    for (const std::string& name :
         {std::string("_annotations.csv"), std::string("annotations.csv"), std::string("labels.csv"),
          "_" + split + ".csv", split + ".csv", split + "_labels.csv", split + "_annotations.csv"})
      if (is_file(folder / name) && take(fs::path(split) / name, split)) return;
  }

  bool take(const fs::path& file, const std::string& split) {
    char separator = ',';
    std::string fault;
    const auto record = first_record(root_ / file, separator, fault);
    if (record && csv_form(record->fields)) {
      files_.splits.emplace(split, root_ / file);
      return true;
    }
    if (!fault.empty() && files_.fault.empty() && (is_split_name(split) || split == kWholeSet)) files_.fault = fault;
    if (record && !is_open_images_heading(record->fields)) note_fault(file, split, *record, separator);
    return false;
  }

  // Of what is called like a split's, or shows by its heading that it is of boxes.
  void note_fault(const fs::path& file, const std::string& split, const CsvRecord& record, char separator) {
    const std::string heading = is_heading(record.fields) ? heading_fault(record.fields) : "";
    if (!files_.fault.empty() || (!is_split_name(split) && split != kWholeSet && heading.empty())) return;
    files_.fault = fmt::format(
        "{}:{}: has {} fields separated by {}; expected path,x1,y1,x2,y2,class, or a heading "
        "that names these columns",
        printable((root_ / file).native()), record.line, record.fields.size(), word_for(separator));
    if (!heading.empty())
      files_.fault += fmt::format(": this one {} (or the box as x,y,width,height or xcenter,ycenter,width,height)",
                                  printable(heading));
  }

  // The only table of boxes is that of the whole set, whatever it is called.
  CsvFiles only_one_is_whole() {
    if (files_.splits.size() != 1 || is_split_name(files_.splits.begin()->first)) return files_;
    const fs::path file = files_.splits.begin()->second;
    files_.splits = {{kWholeSet, file}};
    return files_;
  }

  fs::path root_;
  CsvFiles files_;
};

}  // namespace

bool is_open_images_heading(const std::vector<std::string>& fields) {
  int known = 0;
  for (const std::string& field : fields) {
    const std::string name = column_name(field);
    known += name == "imageid" || name == "labelname" || name == "xmin" || name == "ymax";
  }
  return known == 4;
}

std::optional<CsvForm> csv_form(const std::vector<std::string>& first) {
  constexpr size_t kUsual = 6;
  if (is_open_images_heading(first)) return std::nullopt;
  if (auto columns = columns_of_heading(first)) return CsvForm{std::move(*columns), true};
  if (is_heading(first)) return std::nullopt;
  if (auto columns = columns_of_record(first)) return CsvForm{std::move(*columns), false};
  if (first.size() < kUsual) return std::nullopt;
  return CsvForm{{}, false};  // each line is refused, with the columns that are expected
}

bool is_table_of_boxes(const fs::path& file) {
  char separator = ',';
  std::string fault;
  const auto record = first_record(file, separator, fault);
  if (!record || is_class_map(file.filename().string()) || is_open_images_heading(record->fields)) return false;
  return columns_of_heading(record->fields) || (!is_heading(record->fields) && columns_of_record(record->fields));
}

CsvFiles find_csv_files(const fs::path& folder) { return CsvFinder(folder).find(); }

CsvFiles csv_file_alone(const fs::path& file) {
  return CsvFinder(fs::absolute(file).parent_path()).alone(file.filename().string());
}

}  // namespace fovea
