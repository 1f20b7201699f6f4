// Text for pictures, by FreeType and libraqm: in DejaVu Sans, which the program carries, and before it in a font of the
// user's own. The same text and size have the same pixels, in any thread.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "tools/report/bounded_cache.h"
#include "tools/report/font_face.h"
#include "tools/report/text_shape.h"

namespace fovea {

// How much of each pixel of an area a text covers, of 255.
struct TextCoverage {
  int left = 0, top = 0, width = 0, height = 0;
  std::vector<uint8_t> shares;
};

class Typesetter {
 public:
  // `font`: a font file that is asked before DejaVu; empty: none. Throws ErrorKind::Usage where there is no such font.
  // `on_missing` is called once, with characters of the first text with some that no font has.
  using OnMissing = std::function<void(std::u32string_view characters)>;
  explicit Typesetter(const std::string& font, OnMissing on_missing);

  // Of a line of text, `size` pixels to an em.
  int width(std::string_view text, int size);
  int height(int size) const { return ascent(size) + descent(size); }

  // With the line's top left corner at (x, y); what lies outside an image of these sides is left out.
  TextCoverage coverage(std::string_view text, int size, int x, int y, int image_width, int image_height);

  // `text` and then `note`, which stays, at most `width` pixels wide: where needed, an ellipsis stands for the end of
  // `text`. (Wider only where not even ellipsis and note fit.)
  std::string shortened(std::string_view text, std::string_view note, int size, int width);

 private:
  struct Placed {
    std::shared_ptr<const GlyphBitmap> bitmap;
    int left, top;
  };
  int ascent(int size) const;
  int descent(int size) const;
  std::shared_ptr<const ShapedText> line(std::string_view text);
  std::shared_ptr<const GlyphBitmap> bitmap(const ShapedText::Glyph& glyph, int size, int quarters);
  std::vector<Placed> placed(const ShapedText& text, int size, int x, int y);

  std::mutex mutex_;  // for all below
  std::vector<uint8_t> own_font_;
  FontLibrary library_;
  std::vector<FontFace> fonts_;
  OnMissing on_missing_;
  BoundedCache<std::string, ShapedText> lines_{size_t{8} << 20};
  BoundedCache<std::tuple<size_t, uint32_t, int, int>, GlyphBitmap> bitmaps_{size_t{16} << 20};
};

// The one of this process, with the font that the environment variable FOVEA_FONT names. Missing characters are told on
// stderr. Throws what the constructor throws.
Typesetter& typesetter();

}  // namespace fovea
