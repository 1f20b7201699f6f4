#include "tools/report/text_shape.h"

#include <hb.h>
#include <raqm.h>

#include <algorithm>
#include <memory>

#include "engine/printable.h"
#include "kernels/error.h"

namespace fovea {
namespace {

constexpr char32_t replacement = 0xFFFD, ellipsis = 0x2026, joiner = 0x200D;
constexpr int shaping_size = 1000;  // pixels to an em: advances are as good as exact
constexpr double units_per_em = 64.0 * shaping_size;
constexpr double beside_box = 0.2;  // DejaVu's box has an advance of 0.6 em

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029; }
bool is_no_character(char32_t c) { return (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF); }

// What says how other characters look, and may be unknown to a font: joiners, directions, variation selectors.
bool is_invisible(char32_t c) {
  return hb_unicode_general_category(hb_unicode_funcs_get_default(), c) == HB_UNICODE_GENERAL_CATEGORY_FORMAT ||
         (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0xE0100 && c <= 0xE01EF);
}

bool belongs_to_the_character_before(std::u32string_view text, size_t i) {
  const auto category = hb_unicode_general_category(hb_unicode_funcs_get_default(), text[i]);
  return is_invisible(text[i]) || text[i - 1] == joiner || category == HB_UNICODE_GENERAL_CATEGORY_NON_SPACING_MARK ||
         category == HB_UNICODE_GENERAL_CATEGORY_SPACING_MARK || category == HB_UNICODE_GENERAL_CATEGORY_ENCLOSING_MARK;
}

// The first font that has all of a character and its accents, else the character, else the last.
FontFace& font_for(std::u32string_view character, std::span<FontFace> fonts) {
  const auto has = [&](FontFace& font, std::u32string_view part) {
    return std::all_of(part.begin(), part.end(), [&](char32_t c) { return is_invisible(c) || font.has(c); });
  };
  for (const auto part : {character, character.substr(0, 1)})
    for (FontFace& font : fonts)
      if (has(font, part)) return font;
  return fonts.back();
}

using Layout = std::unique_ptr<raqm_t, void (*)(raqm_t*)>;

void require_done(bool done) {
  if (!done) throw Error(ErrorKind::OutOfMemory, "out of memory while laying out text");
}

Layout laid_out(std::u32string_view text, std::span<FontFace> fonts) {
  Layout layout(raqm_create(), raqm_destroy);
  require_done(layout != nullptr);
  const std::vector<uint32_t> characters(text.begin(), text.end());
  require_done(raqm_set_text(layout.get(), characters.data(), characters.size()));
  for (size_t first = 0, end = 0; first < text.size(); first = end) {
    for (end = first + 1; end < text.size() && belongs_to_the_character_before(text, end);) ++end;
    FontFace& font = font_for(text.substr(first, end - first), fonts);
    require_done(raqm_set_freetype_face_range(layout.get(), font.sized(shaping_size), first, end - first));
  }
  require_done(raqm_set_freetype_load_flags(layout.get(), FT_LOAD_NO_HINTING | FT_LOAD_NO_BITMAP));
  require_done(raqm_layout(layout.get()));
  return layout;
}

// The characters of `text` that no font has, beyond those of `known`.
std::u32string missing_in(std::u32string_view text, std::span<FontFace> fonts, const std::u32string& known) {
  std::u32string missing;
  for (const char32_t c : text) {
    const bool there = std::any_of(fonts.begin(), fonts.end(), [&](FontFace& font) { return font.has(c); });
    if (!there && !is_invisible(c) && (known + missing).find(c) == std::u32string::npos) missing += c;
  }
  return missing;
}

}  // namespace

std::u32string one_line(std::string_view text) {
  std::u32string line = decoded(text.substr(0, longest_line));
  if (text.size() > longest_line) line.back() = ellipsis;
  for (char32_t& c : line) c = is_control(c) ? U' ' : is_no_character(c) ? replacement : c;
  return line;
}

ShapedText shaped(std::u32string_view text, std::span<FontFace> fonts) {
  ShapedText out;
  if (text.empty()) return out;
  const Layout layout = laid_out(text, fonts);
  size_t count = 0;
  const raqm_glyph_t* glyphs = raqm_get_glyphs(layout.get(), &count);
  for (size_t i = 0; i < count; ++i) out.cuts.push_back(glyphs[i].cluster);
  std::sort(out.cuts.begin(), out.cuts.end());
  out.cuts.erase(std::unique(out.cuts.begin(), out.cuts.end()), out.cuts.end());
  for (size_t i = 0; i < count; ++i) {
    const raqm_glyph_t& glyph = glyphs[i];
    size_t font = 0;
    while (fonts[font].get() != glyph.ftface) ++font;
    if (glyph.index == 0 || !fonts[font].can_draw(glyph.index)) {
      const auto next = std::upper_bound(out.cuts.begin(), out.cuts.end(), glyph.cluster);
      const size_t end = next == out.cuts.end() ? text.size() : *next;
      out.missing += missing_in(text.substr(glyph.cluster, end - glyph.cluster), fonts, out.missing);
      out.glyphs.push_back({fonts.size() - 1, 0, out.width + beside_box, 0});
      out.width += 1;
    } else {
      out.glyphs.push_back(
          {font, glyph.index, out.width + glyph.x_offset / units_per_em, glyph.y_offset / units_per_em});
      out.width += glyph.x_advance / units_per_em;
    }
  }
  return out;
}

}  // namespace fovea
