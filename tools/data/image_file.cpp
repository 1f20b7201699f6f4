#include "tools/data/image_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "kernels/error.h"
#include "tools/data/file.h"
#include "tools/data/image_codecs.h"

namespace fovea {
namespace {

bool starts_with(std::span<const uint8_t> bytes, std::string_view magic, size_t at = 0) {
  return bytes.size() >= at + magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin() + at,
                    [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
}

// What a file that is neither JPEG nor PNG seems to be.
std::string describe(std::span<const uint8_t> bytes) {
  struct Format {
    std::string_view magic;
    size_t at;
    const char* name;
  };
  static constexpr std::array<Format, 6> formats{{{"GIF8", 0, "GIF"},
                                                  {"BM", 0, "BMP"},
                                                  {"WEBP", 8, "WebP"},
                                                  {"II*", 0, "TIFF"},
                                                  {"MM", 0, "TIFF"},
                                                  {"ftyp", 4, "HEIC or AVIF"}}};
  for (const Format& format : formats) {
    if (starts_with(bytes, format.magic, format.at)) return fmt::format("looks like {}", format.name);
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), std::min<size_t>(bytes.size(), 16));
  return fmt::format("begins with \"{}\"", printable(text));
}

// Turns the stored pixels upright. Exif orientations 5..8 exchange rows and columns; the mirrorings are of the stored
// axes.
Image turn_upright(Image stored, int orientation) {
  if (orientation == 1) return stored;
  const bool exchange = orientation >= 5;
  const bool mirror_columns = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirror_rows = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image upright{stored.width, stored.height, std::vector<uint8_t>(stored.rgb.size())};
  if (exchange) std::swap(upright.width, upright.height);
  uint8_t* out = upright.rgb.data();
  for (int y = 0; y < upright.height; ++y) {
    for (int x = 0; x < upright.width; ++x, out += 3) {
      int column = exchange ? y : x, row = exchange ? x : y;
      if (mirror_columns) column = stored.width - 1 - column;
      if (mirror_rows) row = stored.height - 1 - row;
      std::copy_n(&stored.rgb[(int64_t{row} * stored.width + column) * 3], 3, out);
    }
  }
  return upright;
}

}  // namespace

int exif_orientation(std::span<const uint8_t> tiff) {
  if (tiff.size() < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return 1;
  const auto read = [&](uint64_t at, int count) {  // an unsigned number in the file's byte order; 0 beyond the end
    uint64_t value = 0;
    for (int i = 0; i < count && at + count <= tiff.size(); ++i) {
      value = value << 8 | tiff[at + (tiff[0] == 'M' ? i : count - 1 - i)];
    }
    return value;
  };
  const uint64_t directory = read(4, 4), entries = read(directory, 2);
  for (uint64_t i = 0; i < entries; ++i) {
    const uint64_t entry = directory + 2 + i * 12;  // tag (2 bytes), type (2), count (4), value (4)
    if (read(entry, 2) != 0x0112) continue;
    const uint64_t value = read(entry + 8, 2);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

void allocate(Image& image, int64_t width, int64_t height, const std::string& name, const ImageLimits& limits) {
  if (width * height > limits.pixels) {
    throw Error(ErrorKind::Data, fmt::format("{}: {}×{} pixels are more than the limit of {}: make the image smaller",
                                             printable(name), width, height, limits.pixels));
  }
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  image.rgb.resize(width * height * 3);
}

Image decode_image(std::span<const uint8_t> bytes, const std::string& name, const ImageLimits& limits) {
  if (bytes.empty()) throw Error(ErrorKind::Data, fmt::format("{}: is empty (0 bytes)", printable(name)));
  DecodedImage decoded;
  if (starts_with(bytes, "\xFF\xD8\xFF")) {
    decoded = decode_jpeg(bytes, name, limits);
  } else if (starts_with(bytes, "\x89PNG\r\n\x1a\n")) {
    decoded = decode_png(bytes, name, limits);
  } else {
    throw Error(ErrorKind::Data,
                fmt::format("{}: is neither a JPEG nor a PNG image: it {}", printable(name), describe(bytes)));
  }
  return turn_upright(std::move(decoded.image), decoded.orientation);
}

Image read_image(const std::filesystem::path& path, const ImageLimits& limits) {
  return decode_image(read_file(path, limits.file_bytes), path.string(), limits);
}

void write_png(const std::filesystem::path& path, const Image& image) { write_file(path, encode_png(image)); }

}  // namespace fovea
