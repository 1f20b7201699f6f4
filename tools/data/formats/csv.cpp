#include "tools/data/formats/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

class CsvParser {
 public:
  explicit CsvParser(const fs::path& path) : name_(printable(path.native())), bytes_(read_file(path)) {
    text_ = {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  }

  std::vector<CsvRecord> parse() {
    std::vector<CsvRecord> records;
    while (at_ < text_.size()) {
      CsvRecord record{.fields = {}, .line = line_};
      do record.fields.push_back(field());
      while (ends_with(','));
      if (at_ < text_.size() && !ends_with('\n')) throw fail("a quote inside a field: enclose the field in quotes");
      ++line_;
      if (record.fields.size() > 1 || !trimmed(record.fields[0]).empty()) records.push_back(std::move(record));
    }
    return records;
  }

 private:
  Error fail(const char* why) const { return {ErrorKind::Data, fmt::format("{}:{}: {}", name_, line_, why)}; }

  // Passes over the byte, or over CR LF.
  bool ends_with(char byte) {
    if (byte == '\n' && text_.substr(at_, 2) == "\r\n") ++at_;
    if (at_ >= text_.size() || text_[at_] != byte) return false;
    ++at_;
    return true;
  }

  std::string field() {
    if (at_ < text_.size() && text_[at_] == '"') return quoted();
    const size_t end = std::min(text_.find_first_of(",\n\"", at_), text_.size());
    std::string_view bare = text_.substr(at_, end - at_);
    at_ = end;
    if (bare.ends_with('\r')) bare.remove_suffix(1);
    return std::string(bare);
  }

  std::string quoted() {
    std::string value;
    for (++at_;; ++at_) {
      if (at_ >= text_.size()) throw fail("a quote is not closed");
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] != '"') {
        value += text_[at_];
        continue;
      }
      if (text_.substr(at_ + 1, 1) != "\"") break;
      value += '"';
      ++at_;
    }
    ++at_;
    return value;
  }

  std::string name_;
  std::vector<uint8_t> bytes_;
  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
};

constexpr size_t kFields = 6;

bool is_class_map(const std::string& name) {
  return name == "classes.csv" || name == "class_map.csv" || name == "class_mapping.csv";
}

// "train_annotations.csv" and "annotations_train.csv" are of the split train; "annotations.csv" of the whole set.
std::string split_named_by(const std::string& file) {
  constexpr std::string_view word = "annotations";
  std::string name = fs::path(file).stem().string();
  if (name == word) return kWholeSet;
  if (name.ends_with("_annotations")) name.resize(name.size() - word.size() - 1);
  if (name.starts_with("annotations_")) name.erase(0, word.size() + 1);
  return name;
}

class CsvReader : public DatasetReader {
 public:
  explicit CsvReader(const fs::path& folder) : folder_(folder) {
    for (const std::string& file : files_in(folder)) {
      if (is_class_map(file)) class_map_ = folder / file;
      if (has_ending(file, ".csv") && !is_class_map(file) && looks_like_annotations(folder / file))
        splits_[split_named_by(file)] = folder / file;
    }
  }

  bool found() const { return !splits_.empty(); }

  std::vector<std::string> splits() const override { return names_of(splits_); }

  RawDataset read_split(const std::string& split) override {
    const fs::path& path = splits_.at(split);
    images_.clear();
    RawDataset raw;
    raw.name = printable(path.native());
    raw.files = {raw.name};
    raw.image_root = folder_;
    const auto records = records_of(path, raw.warnings);
    raw.categories = categories();
    for (const Category& category : raw.categories) label_[category.name] = category.id;
    for (const CsvRecord& record : records) add_record(raw, record);
    move_to_root(raw, {split + "/", "images/" + split + "/", "images/"});
    return raw;
  }

 private:
  // The first line has six fields; enough to tell it from tables of other kinds.
  static bool looks_like_annotations(const fs::path& path) {
    const FileHandle file = open_file(path);
    std::string start(4096, '\0');
    start.resize(std::fread(start.data(), 1, start.size(), file.get()));
    const auto lines = lines_of(start);
    return !lines.empty() && std::count(lines[0].begin(), lines[0].end(), ',') >= static_cast<int>(kFields) - 1;
  }

  static Error fail(const RawDataset& raw, int line, const std::string& why) {
    return {ErrorKind::Data, fmt::format("{}:{}: {}", raw.name, line, why)};
  }

  // Without the heading that some programs write.
  static std::vector<CsvRecord> records_of(const fs::path& path, std::vector<std::string>& warnings) {
    auto records = read_csv(path);
    if (records.empty()) return records;
    const auto& first = records[0].fields;
    const bool is_heading = first.size() == kFields &&
                            std::none_of(first.begin() + 1, first.begin() + 5,
                                         [](auto& field) { return trimmed(field).empty() || parse_number(field); });
    if (!is_heading) return records;
    warnings.push_back(fmt::format("{}:{}: skipped, as it is a header", printable(path.native()), records[0].line));
    records.erase(records.begin());
    return records;
  }

  std::vector<Category> categories() const { return class_map_.empty() ? names_found() : names_mapped(); }

  std::vector<Category> names_mapped() const {
    std::vector<Category> list;
    std::set<std::string> names;
    const std::string file = printable(class_map_.native());
    for (const CsvRecord& record : read_csv(class_map_)) {
      const auto id = record.fields.size() == 2 ? parse_id(record.fields[1]) : std::nullopt;
      if (!id)
        throw Error(ErrorKind::Data,
                    fmt::format("{}:{}: expected name,id with a whole number below 2^53 as id", file, record.line));
      if (!names.insert(record.fields[0]).second)
        throw Error(ErrorKind::Data, fmt::format("{}:{}: the class '{}' is listed twice", file, record.line,
                                                 printable(record.fields[0])));
      list.push_back({*id, record.fields[0]});
    }
    return list;
  }

  std::vector<Category> names_found() const {
    std::set<std::string> names;
    std::vector<std::string> ignored;
    for (const auto& [split, path] : splits_)
      for (const CsvRecord& record : records_of(path, ignored))
        if (record.fields.size() == kFields && !record.fields[5].empty()) names.insert(record.fields[5]);
    std::vector<Category> list;
    for (const std::string& name : names) list.push_back({static_cast<int64_t>(list.size()), name});
    return list;
  }

  // The image of a path, read before or new; none where it cannot be read.
  std::optional<int64_t> image_of(RawDataset& raw, const std::string& path, int line) {
    const auto below = path_below(folder_, path);
    if (!below)
      throw fail(raw, line,
                 fmt::format("the path \"{}\" lies outside {}: put the CSV files into the folder "
                             "that holds all images",
                             printable(path), printable(folder_.native())));
    const auto [found, added] = images_.try_emplace(*below);
    if (!added) return found->second;
    RawImage image{
        .id = static_cast<int64_t>(images_.size()), .file_name = *below, .width = 0, .height = 0, .origin = {0, line}};
    if (!take_size_from_file(raw, image)) return std::nullopt;
    found->second = image.id;
    raw.images.push_back(std::move(image));
    return found->second;
  }

  void add_record(RawDataset& raw, const CsvRecord& record) {
    const auto& fields = record.fields;
    if (fields.size() != kFields)
      throw fail(raw, record.line, fmt::format("has {} fields, expected 6: path,x1,y1,x2,y2,class", fields.size()));
    if (fields[0].empty()) throw fail(raw, record.line, "the path is empty");
    const bool no_object =
        std::all_of(fields.begin() + 1, fields.end(), [](auto& field) { return trimmed(field).empty(); });
    std::array<double, 4> corners{};
    for (size_t i = 0; i < 4 && !no_object; ++i) {
      const auto number = parse_number(fields[i + 1]);
      if (!number)
        throw fail(raw, record.line,
                   fmt::format("{}: expected a number, found \"{}\"", std::array{"x1", "y1", "x2", "y2"}[i],
                               excerpt(fields[i + 1])));
      corners[i] = *number;
    }
    if (!no_object && fields[5].empty()) throw fail(raw, record.line, "the class is empty");
    const auto image = image_of(raw, fields[0], record.line);
    if (!image || no_object) return;
    RawObject object{.id = static_cast<int64_t>(raw.objects.size()) + 1,
                     .image_id = *image,
                     .category_id = -1,
                     .bbox = box_of_corners(corners[0], corners[1], corners[2], corners[3]),
                     .area = std::nullopt,
                     .crowd = false,
                     .origin = {0, record.line}};
    const auto label = label_.find(fields[5]);
    if (label != label_.end()) {
      object.category_id = label->second;
    } else {  // any id that is no category's
      object.category_id = std::numeric_limits<int64_t>::min() + static_cast<int64_t>(raw.unknown_names.size());
      raw.unknown_names.emplace(object.category_id, fields[5]);
    }
    raw.objects.push_back(object);
  }

  fs::path folder_, class_map_;
  std::map<std::string, fs::path> splits_;
  std::map<std::string, std::optional<int64_t>> images_;
  std::map<std::string, int64_t> label_;
};

}  // namespace

std::vector<CsvRecord> read_csv(const fs::path& path) { return CsvParser(path).parse(); }

std::unique_ptr<DatasetReader> open_csv(const fs::path& folder, const LoadOptions& /*options*/) {
  if (!fs::is_directory(folder)) return nullptr;
  auto reader = std::make_unique<CsvReader>(folder);
  return reader->found() ? std::move(reader) : nullptr;
}

}  // namespace fovea
