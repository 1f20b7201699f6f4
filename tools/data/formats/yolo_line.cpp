#include "tools/data/formats/yolo_line.h"

#include <algorithm>

#include "tools/text/text.h"

namespace fovea {

namespace {

std::string replaced(std::string_view line, char what, char by) {
  std::string text(line);
  std::replace(text.begin(), text.end(), what, by);
  return text;
}

// "0,5": one comma, between digits.
bool is_decimal(std::string_view word) {
  const size_t comma = word.find(',');
  if (comma == word.npos) return true;
  return comma > 0 && comma + 1 < word.size() && word.find(',', comma + 1) == word.npos;
}

}  // namespace

std::optional<std::string> yolo_line(std::string_view line) {
  constexpr size_t kBox = 5;
  if (line.find_first_of(",;") == line.npos) return std::string(line);
  if (line.find(';') != line.npos) {  // what separates; a comma is then in a number, unless there are points
    const bool both = line.find('.') != line.npos && line.find(',') != line.npos;
    return both ? std::nullopt : std::optional(replaced(replaced(line, ';', ' '), ',', '.'));
  }
  const auto words = words_of(line);
  const bool separate = std::all_of(words.begin(), words.end() - 1, [](auto word) { return word.ends_with(','); });
  std::string separated = replaced(line, ',', ' ');
  if (line.find('.') != line.npos) return separate ? std::optional(separated) : std::nullopt;
  if (words.size() >= kBox && std::all_of(words.begin(), words.end(), is_decimal)) return replaced(line, ',', '.');
  return separate && words_of(separated).size() == kBox ? std::optional(separated) : std::nullopt;
}

}  // namespace fovea
