#include "tools/text/json_list.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "engine/files.h"
#include "engine/printable.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"

namespace fovea {
namespace {

constexpr size_t parts_at_once = 8;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// The end of the first object at or after `from` that a comma and another object follow; npos where there is none.
size_t find_cut(std::string_view text, size_t from) {
  for (size_t brace = text.find('}', from); brace != text.npos; brace = text.find('}', brace + 1)) {
    size_t at = brace + 1;
    while (at < text.size() && is_space(text[at])) ++at;
    if (at >= text.size() || text[at] != ',') continue;
    do {
      ++at;
    } while (at < text.size() && is_space(text[at]));
    if (at < text.size() && text[at] == '{') return brace + 1;
  }
  return text.npos;
}

}  // namespace

JsonParts::JsonParts(const std::filesystem::path& path, size_t part_bytes)
    : name_(path.native()), file_(std::fopen(path.c_str(), "rb"), std::fclose), part_bytes_(part_bytes) {
  const auto fail = [&](const char* why) -> Error {
    return {ErrorKind::Data, fmt::format("{}: {}", printable(name_), why)};
  };
  if (!file_) throw errno == ENOENT ? fail("no such file") : cannot_read(path, errno);
  if (is_folder(path)) throw fail("is a folder, not a file");
  std::error_code unknown;
  const auto size = std::filesystem::file_size(path, unknown);
  file_bytes_ = unknown ? 0 : static_cast<int64_t>(size);
}

// Drops what was given out, and reads on until `bytes` are there, or the file ends.
void JsonParts::fill(size_t bytes) {
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(begin_));
  first_byte_ += static_cast<int64_t>(begin_);
  begin_ = 0;
  while (!ended_ && buffer_.size() < bytes) {
    const size_t before = buffer_.size(), room = std::min(bytes - before, std::max(before, kFirstRead));
    buffer_.resize(before + room);
    const size_t read = std::fread(buffer_.data() + before, 1, room, file_.get());
    buffer_.resize(before + read);
    if (std::ferror(file_.get())) throw Error(ErrorKind::Data, printable(name_) + ": cannot be read completely");
    ended_ = std::feof(file_.get()) != 0;
  }
}

int JsonParts::first_token() {
  size_t at = 0;
  do {
    fill(at + kFirstRead);
    const std::string_view text(buffer_.data(), buffer_.size());
    if (is_utf16(text)) throw Error(ErrorKind::Data, printable(name_) + ": is UTF-16: save the file as UTF-8");
    document_ = static_cast<int64_t>(text.size() - without_mark(text).size());
    at = std::max(at, static_cast<size_t>(document_));
    while (at < text.size() && is_space(text[at])) ++at;
  } while (at >= buffer_.size() && !ended_);
  begin_ = static_cast<size_t>(document_);
  return at < buffer_.size() ? buffer_[at] : -1;
}

std::string JsonParts::whole() {
  while (!ended_) fill(2 * buffer_.size());
  done_ = true;
  return {buffer_.begin() + static_cast<ptrdiff_t>(begin_), buffer_.end()};
}

std::vector<JsonParts::Part> JsonParts::next() {
  std::vector<Part> parts;
  if (done_) return parts;
  for (size_t bytes = part_bytes_ * parts_at_once; parts.empty(); bytes *= 2) {
    fill(bytes);
    const std::string_view text(buffer_.data(), buffer_.size());
    while (parts.size() < parts_at_once) {
      const bool rest = ended_ && text.size() - begin_ <= part_bytes_;
      size_t end = rest ? text.npos : find_cut(text, begin_ + part_bytes_);
      if (end == text.npos && !ended_) break;  // the next part's end is not in the buffer yet
      const bool last = end == text.npos;
      end = std::min(end, text.size());
      const auto at = first_byte_ + static_cast<int64_t>(begin_);
      parts.push_back({text.substr(begin_, end - begin_), at, at == document_, last});
      begin_ = last ? end : text.find(',', end) + 1;
      if (last) {
        done_ = true;
        break;
      }
    }
  }
  return parts;
}

void JsonParts::join(const Part& part) {
  begin_ = static_cast<size_t>(part.first_byte - first_byte_);
  part_bytes_ *= 2;
  done_ = false;
}

std::string list_of_lines(std::string_view text) {
  std::string list = "[";
  int depth = 0, objects = 0;
  bool in_string = false, escaped = false, is_entry = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      in_string = escaped || c != '"';
      escaped = !escaped && c == '\\';
    } else {
      in_string = c == '"';
      is_entry = is_entry || (in_string && depth == 1 && text.substr(at).starts_with("\"image_id\""));
      if (c == '{' && depth == 0 && objects++ > 0) list += ',';
      depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    }
    list += c;
  }
  // One object is a line where it is an entry itself.
  return objects > 1 || is_entry ? list + "]" : std::string(text);
}

JsonInput JsonParts::input(std::string_view document) const {
  std::vector<uint8_t> bytes;
  bytes.reserve(document.size() + simdjson::SIMDJSON_PADDING);
  bytes.insert(bytes.end(), document.begin(), document.end());
  return {name_, std::move(bytes), document_ - (document.starts_with('[') ? 1 : 0)};
}

JsonInput JsonParts::input(const Part& part) const {
  std::vector<uint8_t> bytes;
  bytes.reserve(part.text.size() + 2 + simdjson::SIMDJSON_PADDING);
  for (const std::string_view text :
       {std::string_view(part.first ? "" : "["), part.text, std::string_view(part.last ? "" : "]")}) {
    bytes.insert(bytes.end(), text.begin(), text.end());
  }
  return {name_, std::move(bytes), part.first_byte - (part.first ? 0 : 1)};
}

}  // namespace fovea
