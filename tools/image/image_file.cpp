#include "tools/image/image_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/printable.h"
#include "kernels/error.h"
#include "kernels/launch/math.h"
#include "tools/image/image_codecs.h"
#include "tools/text/file.h"

namespace fovea {
namespace {

bool starts_with(std::span<const uint8_t> bytes, std::string_view magic, size_t at = 0) {
  return bytes.size() >= at + magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin() + at,
                    [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
}

// What a file of no format that is read seems to be.
std::string describe(std::span<const uint8_t> bytes) {
  struct Format {
    std::string_view magic;
    size_t at;
    const char* name;
    bool image;
  };
  static constexpr std::array<Format, 17> formats{
      {{"GIF8", 0, "GIF", true},
       {"ftyphei", 4, "HEIC", true},
       {"ftyphev", 4, "HEIC", true},
       {"ftypmif1", 4, "HEIC", true},
       {"ftypmsf1", 4, "HEIC", true},
       {"ftypavi", 4, "AVIF", true},
       {"ftypcrx", 4, "CR3, a camera's raw file", true},
       {"ftyp", 4, "a video", false},
       {"\xFF\x0A", 0, "JPEG XL", true},
       {"JXL ", 4, "JPEG XL", true},
       {"jP  ", 4, "JPEG 2000", true},
       {"8BPS", 0, "PSD", true},
       {"%PDF", 0, "PDF", true},
       {"DICM", 128, "DICOM", true},
       {"\x93NUMPY", 0, "an array of NumPy", true},
       {"<svg", 0, "SVG", true},
       {"version https://git-lfs", 0, "a pointer of Git LFS: run git lfs pull", false}}};
  for (const Format& format : formats) {
    if (starts_with(bytes, format.magic, format.at))
      return fmt::format("looks like {}{}", format.name, format.image ? ": convert it to JPEG or PNG" : "");
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), std::min<size_t>(bytes.size(), 16));
  return fmt::format("begins with \"{}\"", printable(text));
}

using Decode = StoredImage (*)(std::span<const uint8_t>, const std::string&, const ImageOptions&);

// Of a file that begins so; none of other formats.
Decode decoder_of(std::span<const uint8_t> bytes) {
  using namespace std::string_view_literals;
  if (starts_with(bytes, "\xFF\xD8\xFF")) return decode_jpeg;
  if (starts_with(bytes, "\x89PNG\r\n\x1a\n")) return decode_png;
  if (starts_with(bytes, "RIFF") && starts_with(bytes, "WEBP", 8)) return decode_webp;
  if (starts_with(bytes, "BM")) return decode_bmp;
  for (const std::string_view magic : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv})
    if (starts_with(bytes, magic)) return decode_tiff;
  return nullptr;
}

StoredImage decode_stored(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options) {
  if (bytes.empty()) throw Error(ErrorKind::Data, fmt::format("{}: is empty (0 bytes)", printable(name)));
  if (const Decode decode = decoder_of(bytes)) return decode(bytes, name, options);
  throw Error(ErrorKind::Data,
              fmt::format("{}: is not a JPEG, PNG, WebP, BMP or TIFF image: it {}", printable(name), describe(bytes)));
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

void allocate(StoredImage& stored, int64_t width, int64_t height, const std::string& name, const ImageOptions& options,
              int divisor) {
  if (width < 1 || height < 1)
    throw Error(ErrorKind::Data, fmt::format("{}: has no pixels: {}×{}", printable(name), width, height));
  const bool over_limit = !options.size_only && width > options.pixels / height;
  if (width > INT32_MAX || height > INT32_MAX || over_limit) {
    throw Error(ErrorKind::Data,
                fmt::format("{}: {}×{} pixels are more than the limit of {}: make the image smaller, or raise "
                            "input.max_pixels",
                            printable(name), width, height, options.pixels));
  }
  stored.full_width = static_cast<int>(width);
  stored.full_height = static_cast<int>(height);
  stored.divisor = divisor;
  if (options.size_only) return;
  stored.image.width = ceil_div(stored.full_width, divisor);
  stored.image.height = ceil_div(stored.full_height, divisor);
  constexpr uint8_t kGray = 128;  // where a damaged file says nothing
  std::vector<uint8_t>& rgb = stored.image.rgb;
  if (options.memory != nullptr) rgb = std::move(*options.memory);
  if (options.keep_damaged) rgb.clear();
  rgb.resize(size_t{3} * stored.image.width * stored.image.height, kGray);
}

void report_damage(StoredImage& stored, const char* format, std::string_view why, const std::string& name,
                   const ImageOptions& options) {
  const std::string damage = fmt::format("{}: damaged or truncated {}: {}", printable(name), format, printable(why));
  if (!options.keep_damaged || stored.image.rgb.empty()) throw Error(ErrorKind::Data, damage);
  stored.damage = damage;
}

DecodedImage decode_image_file(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options) {
  StoredImage stored = decode_stored(bytes, name, options);
  const int width = stored.full_width, height = stored.full_height;
  stored.as_stored = stored.orientation >= 5 && width != height && width == options.annotated_width &&
                     height == options.annotated_height;
  if (stored.as_stored) stored.orientation = 1;
  if (stored.orientation >= 5) std::swap(stored.full_width, stored.full_height);
  if (!options.size_only) stored.image = turn_upright(std::move(stored.image), stored.orientation);
  return stored;
}

DecodedImage read_image_file(const std::filesystem::path& path, const ImageOptions& options) {
  return decode_image_file(read_file(path, options.file_bytes), path.string(), options);
}

Image decode_image(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options) {
  return decode_image_file(bytes, name, options).image;
}

Image read_image(const std::filesystem::path& path, const ImageOptions& options) {
  return read_image_file(path, options).image;
}

bool has_image_ending(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  // Windows' and old browsers' names of JPEG, and what social networks add to their own.
  constexpr std::array<std::string_view, 17> endings{
      ".jpg", ".jpeg", ".png",   ".webp",      ".bmp",       ".tif", ".tiff", ".jpe",      ".jfif",
      ".jfi", ".jif",  ".pjpeg", ".jpg_large", ".jpg-large", ".pjp", ".dib",  ".jpg:large"};
  return std::find(endings.begin(), endings.end(), ending) != endings.end();
}

bool begins_like_image(const std::filesystem::path& path) {
  std::array<uint8_t, 16> start{};
  try {
    const FileHandle file = open_file(path);
    const size_t count = std::fread(start.data(), 1, start.size(), file.get());
    return decoder_of(std::span(start).first(count)) != nullptr;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Data) throw;
    return false;
  }
}

void require_pixels(const Image& image) {
  require(image.width > 0 && image.height > 0 && image.rgb.size() == size_t{3} * image.width * image.height,
          "an image lacks pixels");
}

}  // namespace fovea
