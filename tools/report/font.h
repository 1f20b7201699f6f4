// A bitmap font for printable ASCII: cells of 5 × 9 pixels, of which the last two rows are below the baseline.
#pragma once
#include <array>
#include <cstdint>

namespace fovea {

constexpr int glyph_width = 5, glyph_height = 9, glyph_advance = 6;

// Rows from the top; bit 4 is the leftmost pixel. Characters that are not printable ASCII look like '?'.
std::array<uint8_t, glyph_height> glyph(char32_t character);

}  // namespace fovea
