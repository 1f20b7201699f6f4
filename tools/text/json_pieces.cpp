#include "tools/text/json_pieces.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/printable.h"
#include "tools/text/encoding.h"

namespace fovea {
JsonPieces::JsonPieces(const std::filesystem::path& path, size_t piece_bytes)
    : name_(printable(path.native())),
      file_(open_file(path)),
      piece_bytes_(piece_bytes),
      read_bytes_(std::min(piece_bytes, kFirstRead)),
      input_(name_) {
  refill();
  if (is_utf16(text_)) throw Error(ErrorKind::Data, name_ + ": is UTF-16: save the file as UTF-8");
  check_utf8();
  at_ = text_.size() - without_mark(text_).size();
  if (next_token() == kEnd)
    throw Error(ErrorKind::Data, fmt::format("{}: is empty ({} bytes): expected JSON", name_, base_ + text_.size()));
}

Error JsonPieces::fail(std::string_view key, std::string_view why) const {
  const uint64_t byte = base_ + at_;
  const bool cut = at_end_ && at_ >= text_.size();
  return {ErrorKind::Data, fmt::format("{}: {}byte {}: {}", name_, key.empty() ? "" : printable(key) + ": ", byte,
                                       cut ? "the JSON ends too early: the file may be truncated" : why)};
}

// Reads on; what lies before at_ is let go. False at the end of the file.
bool JsonPieces::refill() {
  if (at_end_) return false;
  const size_t done = std::min(at_, checked_);
  text_.erase(0, done);
  base_ += done;
  at_ -= done;
  checked_ -= done;
  const size_t before = text_.size();
  text_.resize(before + read_bytes_);
  const size_t got = std::fread(text_.data() + before, 1, read_bytes_, file_.get());
  text_.resize(before + got);
  if (std::ferror(file_.get()) != 0) throw Error(ErrorKind::Data, fmt::format("{}: cannot be read completely", name_));
  at_end_ = got < read_bytes_;
  read_bytes_ = std::min(2 * read_bytes_, piece_bytes_);
  if (base_ > 0 || before > 0) check_utf8();  // the constructor looks at the beginning
  return got > 0;
}

// Up to the last character that is whole: its rest may come with the next bytes.
void JsonPieces::check_utf8() {
  const size_t from = checked_;
  size_t end = text_.size();
  if (!at_end_) {
    const auto continues = [&](size_t i) { return (static_cast<uint8_t>(text_[i]) & 0xC0) == 0x80; };
    const size_t earliest = std::max(from, end - std::min<size_t>(end, 4));
    size_t start = end;
    while (start > earliest && continues(start - 1)) --start;
    if (start > from && static_cast<uint8_t>(text_[start - 1]) >= 0xC0) end = start - 1;
  }
  const std::string_view part = std::string_view(text_).substr(from, end - from);
  if (!simdjson::validate_utf8(part.data(), part.size()))
    throw Error(ErrorKind::Data, fmt::format("{}: byte {}: is not UTF-8: save the file as UTF-8", name_,
                                             base_ + from + find_invalid_utf8(part)));
  checked_ = end;
}

int JsonPieces::peek() {
  if (at_ >= text_.size() && !refill()) return kEnd;
  return static_cast<uint8_t>(text_[at_]);
}

int JsonPieces::next_token() {
  int byte = peek();
  while (byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r') {
    ++at_;
    byte = peek();
  }
  return byte;
}

void JsonPieces::expect(char byte, const char* what) {
  if (next_token() != byte) throw fail("", std::string(what) + found_text());
  ++at_;
}

// ", found a list" and the like; nothing where a reader sees it at once.
std::string JsonPieces::found_text() {
  const int byte = next_token();
  return byte == '[' ? ", found a list" : byte == '{' ? ", found an object" : "";
}

std::string JsonPieces::read_key() {
  if (next_token() != '"') throw fail("", "expected a key in quotes");
  const size_t length = length_of_value(0);
  const std::string quoted = text_.substr(at_, length);
  const size_t last = quoted.rfind('"');
  if (last == 0 || quoted.find_first_not_of(" \t\r\n", last + 1) != std::string::npos)
    throw fail("", "expected a key in quotes and ':'");
  at_ += length;
  return quoted.substr(1, last - 1);
}

namespace {

// Of the bytes outside strings, those that say where values begin and end.
constexpr std::array<bool, 256> structural = [] {
  std::array<bool, 256> table{};
  for (const char c : {'"', '{', '}', '[', ']', ',', ':'}) table[static_cast<uint8_t>(c)] = true;
  return table;
}();

// The first byte at or behind `at` that is structural, or the end.
size_t next_structural(std::string_view text, size_t at) {
  while (at < text.size() && !structural[static_cast<uint8_t>(text[at])]) ++at;
  return at;
}

// Finds the end of a value byte by byte: the ',', ':' or closing bracket outside all of its own brackets and strings.
class ValueEnd {
 public:
  bool in_string() const { return in_string_; }
  // Whether `c` is that end.
  bool operator()(char c) {
    if (in_string_) {
      in_string_ = escaped_ || c != '"';
      escaped_ = !escaped_ && c == '\\';
      return false;
    }
    if (!structural[static_cast<uint8_t>(c)]) return false;
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if (c == ',' || c == ':') return depth_ == 0;
    if (c == '}' || c == ']') return depth_-- == 0;
    return false;
  }

 private:
  int depth_ = 0;
  bool in_string_ = false, escaped_ = false;
};

}  // namespace

// From at_ to the end of the value that begins `ahead` bytes further on. All of it is then in text_.
size_t JsonPieces::length_of_value(size_t ahead) {
  for (ValueEnd is_end;; ++ahead) {
    if (!is_end.in_string()) ahead = next_structural(text_, at_ + ahead) - at_;
    if (at_ + ahead >= text_.size() && !refill()) {
      at_ = text_.size();
      throw fail("", "");
    }
    if (is_end(text_[at_ + ahead])) return ahead;
  }
}

// Passes over a value, whatever its length. False where there is none.
bool JsonPieces::skip_value() {
  bool any = false;
  for (ValueEnd is_end; peek() != kEnd; ++at_) {
    if (is_end(text_[at_])) return any;
    any = true;
  }
  throw fail("", "");
}

void JsonPieces::read_list(const std::string& key, const Entry& entry) {
  if (next_token() != '[') throw fail(key, "expected a list" + found_text());
  ++at_;
  if (next_token() == ']') {
    ++at_;
    return;
  }
  for (size_t index = 0;;) {
    size_t length = length_of_value(0);
    while (text_[at_ + length] == ',' && length < piece_bytes_) length = length_of_value(length + 1);
    index = input_.parse_list(std::string_view(text_).substr(at_, length), base_ + at_, key, index,
                              [&](JsonInput::Value value) { entry(input_, key, value); });
    at_ += length;
    const char after = text_[at_];
    if (after != ',' && after != ']') throw fail(key, "expected ',' or ']'");
    ++at_;
    if (after == ']') return;
    if (next_token() == ']') throw fail(key, "a value is missing after the comma");
  }
}

void JsonPieces::for_each_entry(const Wanted& wanted, const Entry& entry) {
  expect('{', "expected an object, '{'");
  if (next_token() == '}') {
    ++at_;
  } else {
    for (bool more = true; more;) {
      const std::string key = read_key();
      expect(':', "expected ':' after a key");
      if (wanted(key)) {
        read_list(key, entry);
      } else {
        next_token();
        if (!skip_value()) throw fail(key, "a value is missing");
      }
      const int after = next_token();
      if (after != ',' && after != '}') throw fail(key, "expected ',' or '}'");
      ++at_;
      more = after == ',';
    }
  }
  if (next_token() != kEnd) throw fail("", "something follows the end of the document");
}

}  // namespace fovea
