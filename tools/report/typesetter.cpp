#include "tools/report/typesetter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/printable.h"
#include "kernels/device/environment.h"
#include "kernels/error.h"
#include "tools/report/embedded_font.h"
#include "tools/report/notices.h"
#include "tools/text/file.h"

namespace fovea {
namespace {

constexpr int subpixels = 4;  // places of a glyph within a pixel, from left to right

int whole(double value) { return static_cast<int>(std::lround(value)); }

std::vector<uint8_t> read_own_font(const std::string& path) {
  if (path.empty()) return {};
  try {
    return read_file(path, /*max_bytes=*/uint64_t{1} << 30);
  } catch (const Error& error) {
    throw Error(ErrorKind::Usage, fmt::format("FOVEA_FONT: {}; {}", error.what(), advice_on_fonts));
  }
}

// Where glyphs overlap, both cover.
void add(TextCoverage& coverage, const GlyphBitmap& glyph, int left, int top) {
  const int x0 = std::max(left, coverage.left), x1 = std::min(left + glyph.width, coverage.left + coverage.width);
  const int y0 = std::max(top, coverage.top), y1 = std::min(top + glyph.height, coverage.top + coverage.height);
  for (int y = y0; y < y1; ++y) {
    for (int x = x0; x < x1; ++x) {
      uint8_t& share = coverage.shares[size_t(y - coverage.top) * coverage.width + (x - coverage.left)];
      const uint8_t more = glyph.shares[size_t(y - top) * glyph.width + (x - left)];
      share = static_cast<uint8_t>(std::min(share + more, 255));
    }
  }
}

}  // namespace

Typesetter::Typesetter(const std::string& font, OnMissing on_missing)
    : own_font_(read_own_font(font)), library_(open_font_library()), on_missing_(std::move(on_missing)) {
  if (!font.empty()) fonts_.emplace_back(library_.get(), own_font_, "FOVEA_FONT: " + printable(font));
  fonts_.emplace_back(library_.get(), embedded_font(), "the font that this program was built with");
}

int Typesetter::ascent(int size) const { return whole(fonts_.back().ascent() * size); }
int Typesetter::descent(int size) const { return whole(fonts_.back().descent() * size); }

int Typesetter::width(std::string_view text, int size) {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::ceil(line(text)->width * size));
}

TextCoverage Typesetter::coverage(std::string_view text, int size, int x, int y, int image_width, int image_height) {
  const std::lock_guard lock(mutex_);
  const auto shape = line(text);
  if (!shape->missing.empty() && on_missing_) std::exchange(on_missing_, nullptr)(shape->missing);
  const auto glyphs = placed(*shape, size, x, y + ascent(size));
  int left = image_width, top = image_height, right = 0, bottom = 0;
  for (const Placed& glyph : glyphs) {
    left = std::clamp(glyph.left, 0, left), right = std::clamp(glyph.left + glyph.bitmap->width, right, image_width);
    top = std::clamp(glyph.top, 0, top), bottom = std::clamp(glyph.top + glyph.bitmap->height, bottom, image_height);
  }
  if (left >= right || top >= bottom) return {};
  TextCoverage coverage{left, top, right - left, bottom - top, {}};
  coverage.shares.resize(size_t(coverage.width) * coverage.height);
  for (const Placed& glyph : glyphs) add(coverage, *glyph.bitmap, glyph.left, glyph.top);
  return coverage;
}

std::string Typesetter::shortened(std::string_view text, std::string_view note, int size, int width) {
  const std::lock_guard lock(mutex_);
  const auto fits = [&](const std::string& whole) { return line(whole)->width * size <= width; };
  const std::u32string characters = one_line(text);
  const std::string whole = encoded(characters).append(note);
  if (fits(whole)) return whole;
  const auto cut = [&](size_t at) { return encoded(characters.substr(0, at)).append("…").append(note); };
  const auto cuts = line(text)->cuts;
  size_t shortest = 0, longest = cuts.size();  // what fits lies below `longest`, if anything does
  while (longest - shortest > 1) {
    const size_t middle = (shortest + longest) / 2;
    (fits(cut(cuts[middle])) ? shortest : longest) = middle;
  }
  return cut(cuts.empty() ? 0 : cuts[shortest]);
}

std::shared_ptr<const ShapedText> Typesetter::line(std::string_view text) {
  return lines_.get(text.substr(0, longest_line + 1), [&] { return shaped(one_line(text), fonts_); });
}

std::shared_ptr<const GlyphBitmap> Typesetter::bitmap(const ShapedText::Glyph& glyph, int size, int quarters) {
  return bitmaps_.get(std::tuple{glyph.font, glyph.index, size, quarters},
                      [&] { return fonts_[glyph.font].bitmap(glyph.index, size, quarters); });
}

// The baseline begins at (x, y).
std::vector<Typesetter::Placed> Typesetter::placed(const ShapedText& text, int size, int x, int y) {
  std::vector<Placed> out;
  for (const ShapedText::Glyph& glyph : text.glyphs) {
    const int place = whole(glyph.x * size * subpixels), quarters = ((place % subpixels) + subpixels) % subpixels;
    const auto drawn = bitmap(glyph, size, quarters);
    out.push_back({drawn, x + (place - quarters) / subpixels + drawn->left, y - whole(glyph.y * size) - drawn->top});
  }
  return out;
}

Typesetter& typesetter() {
  const char* font = environment("FOVEA_FONT");
  static Typesetter shared(font == nullptr ? "" : font, tell_of_missing_characters);
  return shared;
}

}  // namespace fovea
