#include "tools/text/encoding.h"

#include <fmt/format.h>
#include <iconv.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <vector>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view view(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Error fail(const std::string& name, std::string_view text, size_t at, const std::string& why) {
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
  return {ErrorKind::Data, fmt::format("{}:{}: {}", name, line, why)};
}

std::string from_utf16(std::string_view bytes, const std::string& name) {
  const bool little = bytes[0] == '\xFF';
  const auto unit = [&](size_t at) {
    const auto low = static_cast<uint8_t>(bytes[at + (little ? 0 : 1)]);
    const auto high = static_cast<uint8_t>(bytes[at + (little ? 1 : 0)]);
    return static_cast<char32_t>(high << 8 | low);
  };
  const auto damaged = [&](size_t at) {
    return Error(ErrorKind::Data, fmt::format("{}: byte {}: is not UTF-16: save the file as UTF-8", name, at));
  };
  std::u32string characters;
  for (size_t at = 2; at < bytes.size(); at += 2) {
    if (at + 1 >= bytes.size()) throw damaged(at);
    char32_t character = unit(at);
    if (character >= 0xD800 && character < 0xE000) {  // half of a pair
      const bool pair = character < 0xDC00 && at + 3 < bytes.size() && unit(at + 2) >= 0xDC00 && unit(at + 2) < 0xE000;
      if (!pair) throw damaged(at);
      character = 0x10000 + ((character - 0xD800) << 10) + (unit(at + 2) - 0xDC00);
      at += 2;
    }
    characters += character;
  }
  return encoded(characters);
}

// What Windows-1252 has at 80…9F, where ISO 8859-1 has control characters; 0: nothing.
constexpr std::array<char16_t, 32> kWindows{0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                            0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0,      0x017D, 0,
                                            0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                            0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178};

bool is_high(char c) { return static_cast<uint8_t>(c) >= 0x80; }

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_1252_letter(char c) {
  const auto byte = static_cast<uint8_t>(c);
  constexpr std::string_view others = "\x8A\x8C\x8E\x9A\x9C\x9E\x9F\xAA\xBA";  // Š Œ Ž š œ ž Ÿ ª º
  return (byte >= 0xC0 && byte != 0xD7 && byte != 0xF7) || others.find(c) != others.npos;
}

// What stands beside an accented letter in texts: quotes, dashes, …, no-break space, ™ © ® ° ² ³ ¹.
bool is_1252_neighbor(char c) {
  constexpr std::string_view marks =
      "\x82\x84\x85\x8B\x91\x92\x93\x94\x96\x97\x99\x9B\xA0\xA9\xAB\xAD\xAE\xB0\xB2\xB3\xB7\xB9\xBB";
  return marks.find(c) != marks.npos;
}

// Where the bytes make no sense as Windows-1252: unassigned ones; ƒ ˆ ˜ † ‡ ‰ or a closing quote before a letter;
// symbols beside each other or beside accented letters; three different accented letters in a row. All these are rare
// in the languages of Windows-1252, and common where pairs of bytes, or every letter, are beyond ASCII. npos: nowhere.
size_t find_odd_1252(std::string_view bytes) {
  constexpr std::string_view unassigned = "\x81\x8D\x8F\x90\x9D", lone = "\x83\x86\x87\x88\x89\x94\x98";
  size_t letters = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    const char c = bytes[at], next = at + 1 < bytes.size() ? bytes[at + 1] : ' ';
    if (!is_high(c)) {
      letters = 0;
      continue;
    }
    if (unassigned.find(c) != unassigned.npos) return at;
    if (lone.find(c) != lone.npos && (is_ascii_letter(next) || is_1252_letter(next))) return at;
    letters = !is_1252_letter(c) ? 0 : letters > 0 && bytes[at - 1] == c ? letters : letters + 1;
    if (letters >= 3) return at - 2;
    if (!is_high(next) || (is_1252_letter(c) && is_1252_letter(next))) continue;
    const auto fits = [](char one) { return is_1252_letter(one) || is_1252_neighbor(one); };
    if (!fits(c) || !fits(next)) return at;
  }
  return bytes.npos;
}

// Encodings other than UTF-8 that the bytes can be in, the likeliest first.
std::vector<const char*> encodings_of(std::string_view bytes) {
  std::vector<const char*> fit;
  for (const char* encoding : {"SHIFT_JIS", "GB18030", "EUC-KR", "BIG5", "WINDOWS-1251"}) {
    const iconv_t opened = iconv_open("UTF-8", encoding);
    if (opened == reinterpret_cast<iconv_t>(-1)) continue;
    const std::unique_ptr<void, int (*)(void*)> close(opened, iconv_close);
    std::string input(bytes), output(4 * bytes.size() + 16, '\0');
    char *from = input.data(), *to = output.data();
    size_t left = input.size(), room = output.size();
    if (iconv(opened, &from, &left, &to, &room) != static_cast<size_t>(-1)) fit.push_back(encoding);
  }
  return fit;
}

std::string hex_of(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{}{:02X}", text.empty() ? "" : " ", static_cast<uint8_t>(c));
  return text;
}

std::string from_windows_1252(std::string_view bytes, const std::string& name) {
  std::u32string characters;
  for (size_t at = 0; at < bytes.size(); ++at) {
    const auto byte = static_cast<uint8_t>(bytes[at]);
    const bool windows = byte >= 0x80 && byte < 0xA0;
    characters += windows ? static_cast<char32_t>(kWindows[byte - 0x80]) : char32_t{byte};
    if (characters.back() == 0)
      throw fail(name, bytes, at,
                 fmt::format("the byte {:02X} is in neither UTF-8 nor Windows-1252: save the file as UTF-8", byte));
  }
  return encoded(characters);
}

}  // namespace

bool is_utf16(std::string_view bytes) { return bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF"); }

std::string_view without_mark(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text;
}

TextFile text_of(std::span<const uint8_t> raw, const std::string& name) {
  std::string_view bytes = view(raw);
  if (is_utf16(bytes)) return {from_utf16(bytes, name), ""};
  bytes = without_mark(bytes);
  const size_t zero = bytes.find('\0');
  if (zero != bytes.npos) throw fail(name, bytes, zero, "holds a byte 00, which no text has: save the file as UTF-8");
  const size_t odd = find_invalid_utf8(bytes);
  if (odd == bytes.npos) return {std::string(bytes), ""};
  require_windows_1252(bytes, name);
  std::string text = from_windows_1252(bytes, name);
  const auto number = std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(odd), '\n');
  const std::string line(lines_of(text)[static_cast<size_t>(number)]);
  return {std::move(text), fmt::format("{}:{}: is not UTF-8; taken as Windows-1252: \"{}\"; save the file as UTF-8 if "
                                       "that is wrong",
                                       name, number + 1, excerpt(trimmed(line)))};
}

void require_windows_1252(std::string_view bytes, const std::string& name) {
  const size_t odd = find_odd_1252(bytes);
  if (odd == bytes.npos) return;
  size_t end = odd;
  while (end < bytes.size() && end < odd + 8 && bytes[end] != '\n' && bytes[end] != '\r') ++end;
  const auto fit = encodings_of(bytes);
  std::string others;
  for (size_t i = 1; i < fit.size(); ++i) others += fmt::format("{}{}", i > 1 ? ", " : "", fit[i]);
  throw fail(
      name, bytes, odd,
      fmt::format("the bytes {} are neither UTF-8 nor plausible as Windows-1252: save the file as UTF-8: iconv -f "
                  "{} -t UTF-8 {} > NEW{}",
                  hex_of(bytes.substr(odd, end - odd)), fit.empty() ? "ENCODING" : fit[0], name,
                  others.empty() ? "" : fmt::format(" (or {}, whichever it is in)", others)));
}

TextFile read_text_file(const std::filesystem::path& path) {
  return text_of(read_file(path), printable(path.native()));
}

std::string beginning_of(const std::filesystem::path& path, size_t count) {
  const FileHandle file = open_file(path);
  std::string start(count, '\0');
  start.resize(std::fread(start.data(), 1, start.size(), file.get()));
  if (is_utf16(start)) {  // neither a unit nor a pair is cut in two
    start.resize(start.size() / 2 * 2);
    const auto high = static_cast<uint8_t>(start[start.size() - (start[0] == '\xFF' ? 1 : 2)]);
    if (start.size() > 2 && high >= 0xD8 && high < 0xDC) start.resize(start.size() - 2);
  }
  try {
    return text_of({reinterpret_cast<const uint8_t*>(start.data()), start.size()}, "").text;
  } catch (const Error&) {
    return std::string(without_mark(start));  // whoever reads it whole says what is wrong
  }
}

std::string beginning_if_readable(const std::filesystem::path& path, size_t count) {
  try {
    return beginning_of(path, count);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Data) throw;
    return "";
  }
}

std::string converted(std::string_view bytes, const std::string& encoding, const std::string& name) {
  const std::string asked = lower_case(encoding);
  // ISO 8859-1 is what pages and tools call Windows-1252; its own control characters are in no text.
  for (const char* known : {"windows-1252", "cp1252", "iso-8859-1", "iso8859-1", "latin1", "latin-1"})
    if (asked == known) return from_windows_1252(bytes, name);
  // Programs say gb2312 and write what later standards have added to it.
  const bool chinese = asked == "gb2312" || asked == "gbk";
  const iconv_t opened = iconv_open("UTF-8", chinese ? "GB18030" : encoding.c_str());
  if (opened == reinterpret_cast<iconv_t>(-1))
    throw Error(ErrorKind::Data, fmt::format("{}: its encoding, {}, is not known here: save the file as UTF-8", name,
                                             printable(encoding)));
  const std::unique_ptr<void, int (*)(void*)> close(opened, iconv_close);
  std::string text;
  std::string input(bytes);
  char* from = input.data();
  size_t left = input.size();
  while (left > 0) {
    std::array<char, 4096> buffer;
    char* to = buffer.data();
    size_t room = buffer.size();
    const bool done = iconv(opened, &from, &left, &to, &room) != static_cast<size_t>(-1);
    text.append(buffer.data(), buffer.size() - room);
    if (!done && errno != E2BIG)
      throw fail(name, bytes, bytes.size() - left,
                 fmt::format("is not in {}, which the file says it is: save the file as UTF-8", printable(encoding)));
  }
  return std::string(without_mark(text));
}

}  // namespace fovea
