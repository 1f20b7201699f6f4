// A font by FreeType: which characters it has, and its glyphs as smooth bitmaps. For one thread at a time, also where
// several fonts share a library.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

// FreeType's, whose headers are for the .cpp files alone.
struct FT_LibraryRec_;
struct FT_FaceRec_;

namespace fovea {

// What to do about a file that is no font.
inline constexpr const char* advice_on_fonts = "name a TrueType or OpenType file (.ttf, .otf, .ttc)";

using FontLibrary = std::unique_ptr<FT_LibraryRec_, int (*)(FT_LibraryRec_*)>;
FontLibrary open_font_library();

// How much of each pixel a glyph covers, of 255. Its top left corner lies `left` to the right of the pen and `top`
// above the baseline.
struct GlyphBitmap {
  int left = 0, top = 0, width = 0, height = 0;
  std::vector<uint8_t> shares;

  size_t bytes() const { return 64 + shares.size(); }
};

class FontFace {
 public:
  // The first font of the file `bytes`, which outlive it. Throws ErrorKind::Usage, beginning with `name`, where it is
  // no font with outlines and Unicode characters.
  FontFace(FT_LibraryRec_* library, std::span<const uint8_t> bytes, const std::string& name);

  bool has(char32_t character);
  // Not where the file is damaged there.
  bool can_draw(uint32_t glyph);
  // Of a glyph that it can draw, `size` pixels to an em, `quarters` of a pixel to the right of whole ones.
  GlyphBitmap bitmap(uint32_t glyph, int size, int quarters);

  // With `size` pixels to an em, until the next call.
  FT_FaceRec_* sized(int size);
  FT_FaceRec_* get() const { return face_.get(); }
  // Of a line of text, in ems.
  double ascent() const;
  double descent() const;

 private:
  std::unique_ptr<FT_FaceRec_, int (*)(FT_FaceRec_*)> face_;
};

}  // namespace fovea
