// Image files to upright RGB and back. The format is decided by the file's first bytes, never by its name.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace fovea {

struct Image {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;  // [height, width, 3]
};

struct ImageOptions {
  int64_t pixels = 100'000'000;             // width × height, checked before anything of that size is allocated
  uint64_t file_bytes = uint64_t{1} << 30;  // of the compressed file
  bool keep_damaged = false;                // what a damaged or cut file still gives is used; the rest stays gray
  bool size_only = false;                   // the head alone is read, whatever its size: the image stays empty
  // The size that annotations say, if any: where the pixels as stored have it and the upright image has not, whoever
  // drew the boxes did not turn the image, and it is not turned here.
  int annotated_width = 0, annotated_height = 0;
  std::vector<uint8_t>* memory = nullptr;  // that the pixels may use; it is taken away
  // How many times smaller each side of a JPEG of this size (as stored) may be decoded: 1, 2, 4 or 8.
  std::function<int(int width, int height)> jpeg_divisor;
};

struct DecodedImage {
  Image image;
  int full_width = 0, full_height = 0;  // the image's own size, upright
  bool as_stored = false;               // not turned upright: see annotated_width
  int divisor = 1;     // a pixel stands for divisor × divisor of the file's; the last ones of a row or column may reach
                       // beyond its edge
  std::string damage;  // what is wrong with a file that was kept all the same
};

// Reads a JPEG, PNG, WebP, BMP or TIFF image (of several pages the first) of any color form: gray, 16 bits, palette,
// 1 bit, CMYK, progressive. Gives 8-bit RGB: alpha is blended over white, the Exif orientation is applied. Throws
// ErrorKind::Data, naming the image, when it is empty, another format, too large, damaged or cut short; bytes after the
// image's end are ignored.
DecodedImage decode_image_file(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options);
DecodedImage read_image_file(const std::filesystem::path& path, const ImageOptions& options);
// The pixels alone.
Image decode_image(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options = {});
Image read_image(const std::filesystem::path& path, const ImageOptions& options = {});

// Whether a file of this name may be an image that can be read: by its ending, in whatever case.
bool has_image_ending(const std::filesystem::path& path);
// Whether it is one of a format that is read, by its first bytes, whatever its name. False where it cannot be read.
bool begins_like_image(const std::filesystem::path& path);

// Written row by row, with a comment in the file's head where there is one. Throws ErrorKind::Runtime when the file
// cannot be written; then it is not there, or as it was.
void write_png(const std::filesystem::path& path, const Image& image, const std::string& comment = "");
// Throws ErrorKind::Data besides where a side is longer than JPEG allows (65,500 pixels).
void write_jpeg(const std::filesystem::path& path, const Image& image, int quality, const std::string& comment = "");

}  // namespace fovea
