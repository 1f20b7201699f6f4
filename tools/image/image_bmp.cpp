// BMP: 1, 4, 8, 16, 24 and 32 bits a pixel, plain, run-length coded (RLE4, RLE8) or by bit masks, either way up.
// Written here, since no library for BMP alone is packaged.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/image/image_codecs.h"

namespace fovea {
namespace {

struct Damaged {
  std::string why;
};

enum Compression : uint32_t { kPlain = 0, kRle8 = 1, kRle4 = 2, kMasks = 3, kJpeg = 4, kPng = 5, kMasksWithAlpha = 6 };

class BmpReader {
 public:
  BmpReader(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options, StoredImage& stored)
      : bytes_(bytes), name_(name), options_(options), stored_(stored) {}

  // Throws Damaged where the file is not whole or contradicts itself, after what there is was written.
  void read() {
    read_header();
    allocate(stored_, width_, height_, name_, options_);
    if (options_.size_only) return;
    if (compression_ == kRle8 || compression_ == kRle4)
      read_runs();
    else
      read_rows();
  }

 private:
  uint32_t number(size_t at, size_t count) const {  // little-endian
    if (at + count > bytes_.size()) throw Damaged{"the header is truncated"};
    uint32_t value = 0;
    for (size_t i = count; i-- > 0;) value = value << 8 | bytes_[at + i];
    return value;
  }

  void read_header() {
    const size_t header = 14;  // where the second one begins; its first number is its size
    const uint32_t size = number(header, 4);
    const bool old = size == 12;
    if (!old && (size < 40 || size > 124)) throw Damaged{fmt::format("unknown header of {} bytes", size)};
    width_ = old ? int64_t{number(18, 2)} : static_cast<int32_t>(number(18, 4));
    const int64_t height = old ? int64_t{number(20, 2)} : static_cast<int32_t>(number(22, 4));
    top_down_ = height < 0;
    height_ = top_down_ ? -height : height;
    bits_ = number(old ? 24 : 28, 2);
    compression_ = old ? kPlain : number(30, 4);
    check_form();
    size_t palette = header + size;
    if (bits_ == 16 || bits_ == 32) palette += read_masks(size);
    if (bits_ <= 8) read_palette(palette, old ? 3 : 4, old ? 0 : number(46, 4));
    pixels_ = number(10, 4);
    if (pixels_ < header + size) throw Damaged{"the pixels begin inside the header"};
  }

  void check_form() const {
    if (compression_ == kJpeg || compression_ == kPng)
      throw Error(
          ErrorKind::Data,
          fmt::format("{}: BMP files with embedded {} data are not supported; save the image as {}", printable(name_),
                      compression_ == kJpeg ? "JPEG" : "PNG", compression_ == kJpeg ? ".jpg" : ".png"));
    const bool plain = compression_ == kPlain && (bits_ == 1 || bits_ == 4 || bits_ == 8 || bits_ == 24);
    const bool masks = (compression_ == kPlain || compression_ == kMasks || compression_ == kMasksWithAlpha) &&
                       (bits_ == 16 || bits_ == 32);
    const bool runs = !top_down_ && ((compression_ == kRle8 && bits_ == 8) || (compression_ == kRle4 && bits_ == 4));
    if (!plain && !masks && !runs)
      throw Damaged{fmt::format("{} bits per pixel with compression {} is not a BMP format", bits_, compression_)};
  }

  // Returns how many bytes of masks follow the header.
  size_t read_masks(uint32_t header_size) {
    masks_ = bits_ == 16 ? std::array<uint32_t, 4>{0x7C00, 0x3E0, 0x1F, 0}
                         : std::array<uint32_t, 4>{0xFF0000, 0xFF00, 0xFF, 0};
    if (compression_ == kPlain) return 0;
    const size_t inside = header_size >= 56 ? 4 : header_size >= 52 ? 3 : 0;
    const size_t masks = std::max<size_t>(inside, compression_ == kMasksWithAlpha ? 4 : 3);
    for (size_t c = 0; c < masks; ++c) {
      masks_[c] = number(54 + 4 * c, 4);
      const uint32_t shifted = masks_[c] == 0 ? 0 : masks_[c] >> std::countr_zero(masks_[c]);
      if ((shifted & (shifted + 1)) != 0) throw Damaged{"a bit mask has a gap"};
    }
    return 4 * (masks - inside);
  }

  void read_palette(size_t at, size_t entry, uint32_t used) {
    const uint32_t all = uint32_t{1} << bits_;
    if (used > all) throw Damaged{fmt::format("a palette of {} colors for {} bits per pixel", used, bits_)};
    palette_.resize(used == 0 ? all : used);
    for (auto& color : palette_) {
      for (size_t c = 0; c < 3; ++c)
        color[c] = static_cast<uint8_t>(number(at + 2 - c, 1));  // stored as blue, green, red
      at += entry;
    }
  }

  uint8_t* row(int64_t stored_row) const {
    const int64_t y = top_down_ ? stored_row : height_ - 1 - stored_row;
    return stored_.image.rgb.data() + 3 * width_ * y;
  }

  void put_color(uint8_t* out, uint32_t index) const {
    if (index >= palette_.size())
      throw Damaged{fmt::format("a pixel of color {} in a palette of {}", index, palette_.size())};
    std::copy_n(palette_[index].begin(), 3, out);
  }

  void read_rows() {
    const uint64_t stride = (static_cast<uint64_t>(width_) * bits_ + 31) / 32 * 4;
    const bool alpha = masks_[3] != 0 && any_alpha(stride);
    for (int64_t y = 0; y < height_; ++y) {
      const uint64_t at = pixels_ + stride * static_cast<uint64_t>(y);
      const uint64_t needed = y + 1 < height_ ? stride : (static_cast<uint64_t>(width_) * bits_ + 7) / 8;
      if (at + needed > bytes_.size()) throw Damaged{fmt::format("the file ends after row {} of {}", y, height_)};
      const uint8_t* in = bytes_.data() + at;
      uint8_t* out = row(y);
      for (int64_t x = 0; x < width_; ++x, out += 3) {
        if (bits_ <= 8) {
          const auto bit = static_cast<uint32_t>(x) * bits_;
          put_color(out, in[bit / 8] >> (8 - bits_ - bit % 8) & ((1u << bits_) - 1));
        } else if (bits_ == 24) {
          for (int c = 0; c < 3; ++c) out[c] = in[3 * x + 2 - c];
        } else {
          put_masked(out, pixel(in, x), alpha);
        }
      }
    }
  }

  uint32_t pixel(const uint8_t* in, int64_t x) const {
    if (bits_ == 16) return in[2 * x] | uint32_t{in[2 * x + 1]} << 8;
    return in[4 * x] | uint32_t{in[4 * x + 1]} << 8 | uint32_t{in[4 * x + 2]} << 16 | uint32_t{in[4 * x + 3]} << 24;
  }

  // A pixel's bits under a mask, spread over 0 … 255.
  static int masked(uint32_t value, uint32_t mask) {
    if (mask == 0) return 0;
    const uint64_t largest = mask >> std::countr_zero(mask), part = (value & mask) >> std::countr_zero(mask);
    return static_cast<int>((part * 255 + largest / 2) / largest);
  }

  void put_masked(uint8_t* out, uint32_t value, bool alpha) const {
    for (size_t c = 0; c < 3; ++c) {
      const int channel = masked(value, masks_[c]);
      out[c] = alpha ? over_white(channel, masked(value, masks_[3])) : static_cast<uint8_t>(channel);
    }
  }

  // Many programs leave alpha 0 everywhere and mean an opaque picture.
  bool any_alpha(uint64_t stride) const {
    for (int64_t y = 0; y < height_; ++y) {
      const uint64_t at = pixels_ + stride * static_cast<uint64_t>(y);
      if (at + stride > bytes_.size()) return false;
      for (int64_t x = 0; x < width_; ++x)
        if ((pixel(bytes_.data() + at, x) & masks_[3]) != 0) return true;
    }
    return false;
  }

  uint32_t next(uint64_t& at) const {
    if (at >= bytes_.size()) throw Damaged{"the file ends inside the pixels"};
    return bytes_[at++];
  }

  // Pairs of bytes: (n, color) is a run of n; (0, 0) ends a row, (0, 1) the picture, (0, 2) moves on, (0, n) is
  // followed by n pixels. What no run covers has color 0.
  void read_runs() {
    for (size_t i = 0; i < stored_.image.rgb.size(); i += 3) put_color(&stored_.image.rgb[i], 0);
    int64_t x = 0, y = 0;
    const auto put = [&](uint32_t index) {
      if (x >= width_ || y >= height_) throw Damaged{"a run extends beyond the image"};
      put_color(row(y) + 3 * x++, index);
    };
    for (uint64_t at = pixels_;;) {
      const uint32_t count = next(at), value = next(at);
      if (count > 0) {
        for (uint32_t i = 0; i < count; ++i) put(bits_ == 8 ? value : i % 2 == 0 ? value >> 4 : value & 15);
      } else if (value == 0) {
        x = 0;
        ++y;
      } else if (value == 1) {
        return;
      } else if (value == 2) {
        x += next(at);
        y += next(at);
      } else {
        const uint64_t begin = at;
        for (uint32_t i = 0, byte = 0; i < value; ++i) {
          if (bits_ == 8 || i % 2 == 0) byte = next(at);
          put(bits_ == 8 ? byte : i % 2 == 0 ? byte >> 4 : byte & 15);
        }
        if ((at - begin) % 2 == 1) next(at);
      }
    }
  }

  std::span<const uint8_t> bytes_;
  const std::string& name_;
  const ImageOptions& options_;
  StoredImage& stored_;
  int64_t width_ = 0, height_ = 0;
  bool top_down_ = false;
  uint32_t bits_ = 0, compression_ = kPlain;
  uint64_t pixels_ = 0;
  std::array<uint32_t, 4> masks_{};  // red, green, blue, alpha
  std::vector<std::array<uint8_t, 3>> palette_;
};

}  // namespace

StoredImage decode_bmp(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options) {
  StoredImage stored;
  try {
    BmpReader(bytes, name, options, stored).read();
  } catch (const Damaged& damage) {
    report_damage(stored, "BMP", damage.why, name, options);
  }
  return stored;
}

}  // namespace fovea
