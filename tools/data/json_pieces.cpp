#include "tools/data/json_pieces.h"

#include <fmt/format.h>

#include <algorithm>

namespace fovea {

JsonPieces::JsonPieces(const std::filesystem::path& path, size_t piece_bytes)
    : name_(printable(path.native())), file_(open_file(path)), piece_bytes_(piece_bytes), input_(name_) {
  if (next_token() == kEnd)
    throw Error(ErrorKind::Data, fmt::format("{}: is empty ({} bytes): expected JSON", name_, base_ + text_.size()));
}

Error JsonPieces::fail(std::string_view key, std::string_view why) const {
  const uint64_t byte = base_ + at_;
  const bool cut = at_end_ && at_ >= text_.size();
  return {ErrorKind::Data, fmt::format("{}: {}byte {}: {}", name_, key.empty() ? "" : printable(key) + ": ", byte,
                                       cut ? "the JSON ends too early: the file may be truncated" : why)};
}

// Reads on; what lies before at_ is let go, unless it is to be kept. False at the end of the file.
bool JsonPieces::refill(bool keep) {
  if (at_end_) return false;
  if (!keep) {
    const size_t done = std::min(at_, checked_);
    text_.erase(0, done);
    base_ += done;
    at_ -= done;
    checked_ -= done;
  }
  const size_t before = text_.size();
  text_.resize(before + piece_bytes_);
  const size_t got = std::fread(text_.data() + before, 1, piece_bytes_, file_.get());
  text_.resize(before + got);
  if (std::ferror(file_.get()) != 0)
    throw Error(ErrorKind::Data, fmt::format("{}: could not be read to its end", name_));
  at_end_ = got < piece_bytes_;
  check_utf8();
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
  if (at_ >= text_.size() && !refill(false)) return kEnd;
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
  if (next_token() != byte) throw fail("", what);
  ++at_;
}

std::string JsonPieces::read_key() {
  if (next_token() != '"') throw fail("", "expected a key in quotes");
  const size_t end = end_of_value(at_, true);
  const std::string quoted = text_.substr(at_, end - at_);
  const size_t last = quoted.rfind('"');
  if (last == 0 || quoted.find_first_not_of(" \t\r\n", last + 1) != std::string::npos)
    throw fail("", "expected a key in quotes and ':'");
  at_ = end;
  return quoted.substr(1, last - 1);
}

// Where the value that begins at `from` ends: at the ',', ':' or closing bracket outside all of its own brackets and
// strings. With `keep`, what stands before stays in text_; else at_ moves along.
size_t JsonPieces::end_of_value(size_t from, bool keep) {
  int depth = 0;
  bool in_string = false, escaped = false;
  for (size_t i = from;; ++i) {
    if (i >= text_.size()) {
      if (!keep) at_ = i;
      if (!refill(keep)) {
        at_ = text_.size();
        throw fail("", "");
      }
      if (!keep) i = at_;
    }
    const char c = text_[i];
    if (in_string) {
      if (escaped)
        escaped = false;
      else if (c == '\\')
        escaped = true;
      else if (c == '"')
        in_string = false;
      continue;
    }
    switch (c) {
      case '"':
        in_string = true;
        break;
      case '{':
      case '[':
        ++depth;
        break;
      case ',':
      case ':':
        if (depth == 0) return i;
        break;
      case '}':
      case ']':
        if (depth-- == 0) return i;
        break;
      default:
        break;
    }
  }
}

void JsonPieces::read_list(const std::string& key, const Entry& entry) {
  if (next_token() != '[') throw fail(key, "expected a list");
  ++at_;
  if (next_token() == ']') {
    ++at_;
    return;
  }
  for (size_t index = 0;;) {
    size_t end = end_of_value(at_, true);
    while (text_[end] == ',' && end - at_ < piece_bytes_) end = end_of_value(end + 1, true);
    const std::string_view piece = std::string_view(text_).substr(at_, end - at_);
    index =
        input_.parse_list(piece, base_ + at_, key, index, [&](JsonInput::Value value) { entry(input_, key, value); });
    at_ = end;
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
        const size_t from = at_;
        const uint64_t start = base_ + from;
        at_ = end_of_value(from, false);
        if (base_ + at_ == start) throw fail(key, "a value is missing");
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
