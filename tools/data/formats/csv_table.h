// Files of fields, a record a line: separated by commas, semicolons, tabs or bars, whichever the first line has most
// of; fields may be quoted (RFC 4180), also with blanks around the quotes.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace fovea {

struct CsvRecord {
  std::vector<std::string> fields;
  int line;  // on which it begins
};

class CsvTable {
 public:
  // Throws what read_file throws, and ErrorKind::Data where the file is damaged UTF-16 or holds bytes 00.
  explicit CsvTable(const std::filesystem::path& path);
  // Of a text that is in memory; `name` is fit to print.
  CsvTable(std::string text, std::string name);

  // The next record, empty lines left out; false at the end. Throws ErrorKind::Data with file and line where a quote is
  // not closed, or stands where none may.
  bool next(CsvRecord& record);
  // Back to the first.
  void rewind();

  char separator() const { return separator_; }
  // "FILE:LINE", fit to print.
  std::string place(int line) const;
  // A number; with a decimal comma, too, where no comma separates fields.
  std::optional<double> number(const std::string& field) const;
  // The field without white space around it, in UTF-8: other bytes are taken as Windows-1252, and `warning` says so.
  // Throws ErrorKind::Data where the file makes no sense as that.
  std::string name_in(const std::string& field, int line, std::string& warning) const;

 private:
  void begin();
  std::string fail_text(const char* why) const;
  bool ends_with(char byte);
  std::string field();
  std::string quoted();
  size_t after_blanks(size_t from) const;

  std::string name_, text_;
  char separator_ = ',';
  bool utf8_ = true;
  size_t first_ = 0, at_ = 0;
  int first_line_ = 1, line_ = 1;
};

// All records of a file.
std::vector<CsvRecord> read_csv(const std::filesystem::path& path);

}  // namespace fovea
