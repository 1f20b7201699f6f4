#include "tools/data/formats/csv_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace {

// File names are bytes, so bytes stay what they are, but for UTF-16 and the byte order mark.
std::string read_bytes(const std::filesystem::path& path) {
  const auto bytes = read_file(path);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const bool other = is_utf16(text) || text.find('\0') != text.npos;  // which text_of refuses
  return other ? text_of(bytes, printable(path.native())).text : std::string(without_mark(text));
}

// Outside quotes.
std::ptrdiff_t count_in(std::string_view line, char wanted) {
  bool quoted = false;
  std::ptrdiff_t count = 0;
  for (const char c : line) {
    quoted = quoted != (c == '"');
    count += c == wanted && !quoted ? 1 : 0;
  }
  return count;
}

char separator_of(std::string_view line) {
  char best = ',';
  for (const char separator : {';', '\t', '|'})
    if (count_in(line, separator) > count_in(line, best)) best = separator;
  return best;
}

}  // namespace

CsvTable::CsvTable(const std::filesystem::path& path) : name_(printable(path.native())), text_(read_bytes(path)) {
  begin();
}

CsvTable::CsvTable(std::string text, std::string name) : name_(std::move(name)), text_(std::move(text)) { begin(); }

void CsvTable::begin() {
  if (text_.find('\n') == std::string::npos) std::replace(text_.begin(), text_.end(), '\r', '\n');  // of old Macs
  utf8_ = find_invalid_utf8(text_) == std::string::npos;
  while (true) {
    const size_t end = std::min(text_.find('\n', first_), text_.size());
    const std::string_view line = trimmed(std::string_view(text_).substr(first_, end - first_));
    const bool says_separator = lower_case(line).starts_with("sep=") && line.size() <= 5;  // spreadsheets' own line
    if (!line.empty() && !says_separator) {
      separator_ = separator_of(std::string_view(text_).substr(first_, end - first_));
      break;
    }
    if (end == text_.size()) break;
    first_ = end + 1;
    ++first_line_;
  }
  rewind();
}

void CsvTable::rewind() {
  at_ = first_;
  line_ = first_line_;
}

bool CsvTable::next(CsvRecord& record) {
  while (at_ < text_.size()) {
    record.fields.clear();
    record.line = line_;
    do record.fields.push_back(field());
    while (ends_with(separator_));
    if (at_ < text_.size() && !ends_with('\n'))
      throw Error(ErrorKind::Data, fail_text("a quote inside a field: enclose the field in quotes"));
    ++line_;
    if (record.fields.size() > 1 || !trimmed(record.fields[0]).empty()) return true;
  }
  return false;
}

std::string CsvTable::place(int line) const { return fmt::format("{}:{}", name_, line); }

std::string CsvTable::fail_text(const char* why) const { return place(line_) + ": " + why; }

// Passes over the byte, or over CR LF.
bool CsvTable::ends_with(char byte) {
  if (byte == '\n' && text_.compare(at_, 2, "\r\n") == 0) ++at_;
  if (at_ >= text_.size() || text_[at_] != byte) return false;
  ++at_;
  return true;
}

size_t CsvTable::after_blanks(size_t from) const {
  while (from < text_.size() && (text_[from] == ' ' || text_[from] == '\t') && text_[from] != separator_) ++from;
  return from;
}

std::string CsvTable::field() {
  if (const size_t start = after_blanks(at_); start < text_.size() && text_[start] == '"') {
    at_ = start;
    return quoted();
  }
  const char stops[] = {separator_, '\n', '"', '\0'};
  const size_t end = std::min(text_.find_first_of(stops, at_), text_.size());
  std::string bare = text_.substr(at_, end - at_);
  at_ = end;
  if (bare.ends_with('\r')) bare.pop_back();
  return bare;
}

std::string CsvTable::quoted() {
  std::string value;
  for (++at_;; ++at_) {
    if (at_ >= text_.size()) throw Error(ErrorKind::Data, fail_text("a quote is not closed"));
    if (text_[at_] == '\n') ++line_;
    if (text_[at_] != '"') {
      value += text_[at_];
      continue;
    }
    if (text_.compare(at_ + 1, 1, "\"") != 0) break;
    value += '"';
    ++at_;
  }
  ++at_;
  const size_t next = after_blanks(at_);
  const bool at_end = next >= text_.size() || text_[next] == separator_ || text_[next] == '\n' || text_[next] == '\r';
  if (at_end) at_ = next;
  return value;
}

std::optional<double> CsvTable::number(const std::string& field) const {
  const auto number = parse_number(field);
  if (number || separator_ == ',' || std::count(field.begin(), field.end(), ',') != 1) return number;
  std::string with_point = field;
  std::replace(with_point.begin(), with_point.end(), ',', '.');
  return parse_number(with_point);
}

std::string CsvTable::name_in(const std::string& field, int line, std::string& warning) const {
  const std::string name(trimmed(field));
  if (utf8_ || find_invalid_utf8(name) == std::string::npos) return name;
  if (warning.empty()) require_windows_1252(text_, name_);  // once
  const std::string place = fmt::format("{}:{}", name_, line);
  std::string text = converted(name, "windows-1252", place);
  if (warning.empty())
    warning = fmt::format("{}: is not UTF-8; taken as Windows-1252: \"{}\"; save the file as UTF-8 if that is wrong",
                          place, excerpt(text));
  return text;
}

std::vector<CsvRecord> read_csv(const std::filesystem::path& path) {
  CsvTable table(path);
  std::vector<CsvRecord> records;
  for (CsvRecord record; table.next(record);) records.push_back(record);
  return records;
}

}  // namespace fovea
