#include "tools/text/text.h"

#include <charconv>
#include <cstdint>

#include "engine/printable.h"

namespace fovea {
namespace {

constexpr std::string_view white_space = " \t\r\n\v\f";

template <class T>
std::optional<T> parse(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(white_space);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(white_space) - first + 1);
}

std::vector<std::string_view> lines_of(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (size_t at = line.find_first_not_of(white_space); at != line.npos; at = line.find_first_not_of(white_space, at)) {
    const size_t end = std::min(line.find_first_of(white_space, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

std::optional<double> parse_number(std::string_view text) { return parse<double>(text); }

std::optional<int64_t> parse_integer(std::string_view text) { return parse<int64_t>(text); }

std::optional<int64_t> parse_id(std::string_view text) {
  constexpr int64_t limit = int64_t{1} << 53;
  const auto id = parse_integer(text);
  return id && *id > -limit && *id < limit ? id : std::nullopt;
}

std::string excerpt(std::string_view text) {
  constexpr size_t most = 40;
  return printable(text.size() > most ? std::string(text.substr(0, most)) + "..." : std::string(text));
}

}  // namespace fovea
