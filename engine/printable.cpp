#include "engine/printable.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace fovea {
namespace {

// Bytes of the UTF-8 sequence at the start of `text`, or 0 where there is no valid one (RFC 3629: no overlong forms, no
// surrogates).
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const uint8_t second = byte(1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool out_of_range = (first == 0xED && second >= 0xA0) || (first == 0xF4 && second >= 0x90);
  return overlong || out_of_range ? 0 : length;
}

// Of a valid sequence of `length` bytes.
char32_t character_of(std::string_view text, size_t length) {
  char32_t character = length == 1 ? uint8_t(text[0]) : uint8_t(text[0]) & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) character = character << 6 | (uint8_t(text[i]) & 0x3Fu);
  return character;
}

}  // namespace

std::u32string decoded(std::string_view text) {
  constexpr char32_t replacement = 0xFFFD;
  std::u32string out;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text.substr(at));
    out += length == 0 ? replacement : character_of(text.substr(at), length);
    at += std::max<size_t>(length, 1);
  }
  return out;
}

std::string encoded(std::u32string_view characters) {
  std::string out;
  for (const char32_t c : characters) {
    const int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;  // bytes after the first
    const uint32_t marks[] = {0, 0xC0, 0xE0, 0xF0};
    out += static_cast<char>(marks[more] | c >> (6 * more));
    for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80 | (c >> (6 * i) & 0x3F));
  }
  return out;
}

size_t find_invalid_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

std::string printable(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text.substr(at));
    const uint8_t first = text[at];
    const bool c1_control = length == 2 && first == 0xC2 && static_cast<uint8_t>(text[at + 1]) < 0xA0;
    if (length == 0 || first < 0x20 || first == 0x7F || first == '\\') {
      out += fmt::format("\\x{:02x}", first);
      ++at;
    } else if (c1_control) {
      out += fmt::format("\\xc2\\x{:02x}", static_cast<uint8_t>(text[at + 1]));
      at += 2;
    } else {
      out += text.substr(at, length);
      at += length;
    }
  }
  return out;
}

}  // namespace fovea
