#include "tools/report/font_face.h"

#include <ft2build.h>  // IWYU pragma: keep
#include FT_FREETYPE_H
#include FT_OUTLINE_H

#include <algorithm>

#include "kernels/error.h"

namespace fovea {
namespace {

void require_memory(FT_Error error) {
  if (error != 0) throw Error(ErrorKind::OutOfMemory, "out of memory while drawing text");
}

}  // namespace

FontLibrary open_font_library() {
  FT_Library library = nullptr;
  require_memory(FT_Init_FreeType(&library));
  return {library, FT_Done_FreeType};
}

FontFace::FontFace(FT_Library library, std::span<const uint8_t> bytes, const std::string& name)
    : face_(nullptr, FT_Done_Face) {
  FT_Face face = nullptr;
  const FT_Error error = FT_New_Memory_Face(library, bytes.data(), static_cast<FT_Long>(bytes.size()), 0, &face);
  face_.reset(face);
  if (error == FT_Err_Out_Of_Memory) require_memory(error);
  const auto refuse = [&](const char* why) {
    throw Error(ErrorKind::Usage, name + " " + why + "; " + advice_on_fonts);
  };
  if (error != 0) refuse("is no font");
  if (!FT_IS_SCALABLE(face)) refuse("is a font of bitmaps, without outlines");
  if (face->charmap == nullptr || face->charmap->encoding != FT_ENCODING_UNICODE)
    refuse("is a font without Unicode characters");
}

FT_Face FontFace::sized(int size) {
  if (face_->size->metrics.y_ppem != size) require_memory(FT_Set_Pixel_Sizes(face_.get(), 0, size));
  return face_.get();
}

bool FontFace::has(char32_t character) {
  const FT_UInt glyph = FT_Get_Char_Index(face_.get(), character);
  return glyph != 0 && can_draw(glyph);
}

bool FontFace::can_draw(uint32_t glyph) {
  return FT_Load_Glyph(face_.get(), glyph, FT_LOAD_NO_SCALE) == 0 && face_->glyph->format == FT_GLYPH_FORMAT_OUTLINE;
}

double FontFace::ascent() const { return static_cast<double>(face_->ascender) / face_->units_per_EM; }
double FontFace::descent() const { return -static_cast<double>(face_->descender) / face_->units_per_EM; }

// Light hinting moves outlines up and down only: lines are crisp, and letters stay as far apart as the font wants them.
GlyphBitmap FontFace::bitmap(uint32_t glyph, int size, int quarters) {
  require_memory(FT_Load_Glyph(sized(size), glyph, FT_LOAD_TARGET_LIGHT | FT_LOAD_NO_BITMAP));
  FT_Outline_Translate(&face_->glyph->outline, quarters * 16, 0);  // of 64 in a pixel
  require_memory(FT_Render_Glyph(face_->glyph, FT_RENDER_MODE_NORMAL));
  const FT_Bitmap& drawn = face_->glyph->bitmap;
  GlyphBitmap bitmap{face_->glyph->bitmap_left,
                     face_->glyph->bitmap_top,
                     static_cast<int>(drawn.width),
                     static_cast<int>(drawn.rows),
                     {}};
  bitmap.shares.resize(size_t{drawn.width} * drawn.rows);
  for (int y = 0; y < bitmap.height; ++y)
    std::copy_n(drawn.buffer + std::ptrdiff_t{y} * drawn.pitch, bitmap.width, &bitmap.shares[size_t(y) * bitmap.width]);
  return bitmap;
}

}  // namespace fovea
