// A file that is one long JSON list of objects, read in parts by all cores. Memory is bounded by some parts (16 MiB of
// the file at a time), whatever the size of the file.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/printable.h"
#include "tools/text/json_input.h"

namespace fovea {

// Cuts the file where "}, {" stands: nearly always between two entries of the list. Whether it was shows when the part
// is read: the JSON of a part that ends within a string or a nested list is not whole. Such a part is read again,
// joined with what follows. So all parts before the first faulty one are known to be right.
class JsonParts {
 public:
  struct Part {
    std::string_view text;  // valid until the next call of next()
    int64_t first_byte;
    bool first, last;
  };

  // Throws ErrorKind::Data when there is no such file.
  JsonParts(const std::filesystem::path& path, size_t part_bytes);

  // The first byte of the document: '[' where it is a list. Throws ErrorKind::Data where the file is UTF-16.
  int first_token();
  // Of a document that has not been read yet, all at once.
  std::string whole();

  // Up to eight parts that follow; none at the end of the file.
  std::vector<Part> next();
  // `part` is not whole: next() begins with it again, and cuts parts of twice the size.
  void join(const Part& part);

  // The part as a list of its own.
  JsonInput input(const Part& part) const;
  JsonInput input(std::string_view document) const;
  int64_t file_bytes() const { return file_bytes_; }  // 0: not known (a pipe)
  int64_t bytes_given() const { return first_byte_ + static_cast<int64_t>(begin_); }

 private:
  void fill(size_t bytes);

  std::string name_;
  std::unique_ptr<FILE, int (*)(FILE*)> file_;
  int64_t file_bytes_ = 0, first_byte_ = 0;  // where buffer_ begins in the file
  int64_t document_ = 0;                     // where the document begins: behind a byte order mark
  size_t part_bytes_, begin_ = 0;            // where the next part begins in buffer_
  std::vector<char> buffer_;
  bool ended_ = false, done_ = false;
};

// Objects that follow one another, as a line each, as a list; the text itself where it is one object.
std::string list_of_lines(std::string_view text);

// The list in a document that is an object: under the first of `keys`.
template <class ReadItem>
void read_list_in_object(JsonInput& input, std::string_view name, const std::vector<std::string_view>& keys,
                         ReadItem&& read_item) {
  std::string found;
  bool read = false;
  input.parse([&](simdjson::ondemand::document& document) {
    input.for_each_field(document.get_object(), [&](std::string_view key, JsonInput::Value value) {
      if (found.size() < 200) found.append(found.empty() ? "\"" : ", \"").append(printable(key)).append("\"");
      if (read || std::find(keys.begin(), keys.end(), key) == keys.end()) return;
      input.for_each(input.list(value), name, read_item);
      read = true;
    });
  });
  if (!read)
    throw input.fail("byte 0: expected a list, '[', or an object with it under \"" + std::string(keys[0]) +
                     "\", found an object with " + (found.empty() ? "no keys" : found));
}

// The entries of the list in the file, as `read_entry(input, object)` makes them, in their order. Whatever is wrong is
// reported with the entry's index in the whole file: "name[3].key". Also takes JSON Lines, an entry each, and an object
// that has the list under one of `keys`; these are read at once.
template <class Entry, class ReadEntry>
std::vector<Entry> read_json_list(const std::filesystem::path& path, std::string_view name, ReadEntry&& read_entry,
                                  const std::vector<std::string_view>& keys = {}, size_t part_bytes = size_t{2} << 20) {
  JsonParts parts(path, part_bytes);
  if (parts.first_token() == '{' && !keys.empty()) {
    std::vector<Entry> entries;
    const std::string text = list_of_lines(parts.whole());
    JsonInput input = parts.input(text);
    const auto item = [&](JsonInput::Value entry) { entries.push_back(read_entry(input, input.object(entry))); };
    if (text.starts_with('['))
      input.parse([&](simdjson::ondemand::document& document) { input.for_each(document.get_array(), name, item); });
    else
      read_list_in_object(input, name, keys, item);
    return entries;
  }
  const auto read = [&](const JsonParts::Part& part, size_t first_index) {
    std::vector<Entry> entries;
    JsonInput input = parts.input(part);
    input.parse([&](simdjson::ondemand::document& document) {
      input.for_each(
          document.get_array(), name,
          [&](JsonInput::Value entry) { entries.push_back(read_entry(input, input.object(entry))); }, first_index);
    });
    return entries;
  };
  std::vector<Entry> all;
  for (auto batch = parts.next(); !batch.empty(); batch = parts.next()) {
    std::vector<std::vector<Entry>> read_parts(batch.size());
    std::vector<std::exception_ptr> faults(batch.size());
#pragma omp parallel for schedule(dynamic)
    for (size_t i = 0; i < batch.size(); ++i) {
      try {
        read_parts[i] = read(batch[i], 0);
      } catch (...) {
        faults[i] = std::current_exception();
      }
    }
    const size_t before = all.size();
    for (size_t i = 0; i < batch.size(); ++i) {
      if (!faults[i]) {
        all.insert(all.end(), read_parts[i].begin(), read_parts[i].end());
        read_parts[i] = {};
        continue;
      }
      try {
        read(batch[i], all.size());  // again, now that the entries before it are counted
        std::rethrow_exception(faults[i]);
      } catch (const JsonSyntaxError&) {
        if (batch[i].last) throw;
        parts.join(batch[i]);
        break;
      }
    }
    const size_t added = all.size() - before;
    const auto share = static_cast<double>(parts.file_bytes()) / static_cast<double>(parts.bytes_given());
    if (all.size() + added > all.capacity()) all.reserve(static_cast<size_t>(1.02 * share * all.size()));
  }
  return all;
}

}  // namespace fovea
