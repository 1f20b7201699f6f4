// A line of text as glyphs, by libraqm: letters joined and ligated, accents in place, kerned, right-to-left parts
// reversed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/report/font_face.h"

namespace fovea {

// Bytes; what comes after them has no room in any picture.
constexpr size_t longest_line = 4096;

// What can stand on one line of a picture: control characters and ends of lines are spaces, what is no UTF-8 and no
// character is U+FFFD. A text that is longer than the longest line ends with an ellipsis.
std::u32string one_line(std::string_view text);

struct ShapedText {
  struct Glyph {
    size_t font;
    uint32_t index;
    double x, y;  // of the pen, in ems from the start of the baseline, y upward
  };
  std::vector<Glyph> glyphs;
  double width = 0;          // in ems
  std::vector<size_t> cuts;  // characters before which the text can be cut, ascending
  std::u32string missing;    // characters that no font has, each once; drawn as boxes an em wide

  size_t bytes() const { return 512 + glyphs.size() * sizeof(Glyph) + cuts.size() * sizeof(size_t); }
};

// Each character in the first of `fonts` that has it, with its accents. The last one is asked for boxes.
ShapedText shaped(std::u32string_view text, std::span<FontFace> fonts);

}  // namespace fovea
