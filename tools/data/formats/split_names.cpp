#include "tools/data/formats/split_names.h"

#include <algorithm>
#include <array>

#include "tools/text/text.h"

namespace fovea {

bool is_split_name(std::string_view name) {
  constexpr std::array<std::string_view, 8> words{"train",      "training", "val",  "valid",
                                                  "validation", "dev",      "test", "testing"};
  const std::string lower = lower_case(name);
  return std::any_of(words.begin(), words.end(), [&](auto word) {
    const char next = lower.size() > word.size() ? lower[word.size()] : '.';
    return lower.starts_with(word) && (next < 'a' || next > 'z');
  });
}

}  // namespace fovea
