// Image files to upright RGB and back. The format is decided by the file's first bytes, never by its name.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace fovea {

struct Image {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;  // [height, width, 3]
};

struct ImageLimits {
  int64_t pixels = 100'000'000;             // width × height, checked before anything of that size is allocated
  uint64_t file_bytes = uint64_t{1} << 30;  // of the compressed file
};

// Reads a JPEG or PNG of any colour form (grey, 16 bits, alpha, palette, 1 bit, CMYK, progressive) as 8-bit RGB. Alpha
// is dropped, 16-bit samples keep their high byte, the Exif orientation is applied. Throws ErrorKind::Data, naming the
// image, when it is empty, another format, too large, damaged or cut short; bytes after the image's end are ignored.
Image read_image(const std::filesystem::path& path, const ImageLimits& limits = {});
Image decode_image(std::span<const uint8_t> bytes, const std::string& name, const ImageLimits& limits = {});

// Throws ErrorKind::Runtime when the file cannot be written.
void write_png(const std::filesystem::path& path, const Image& image);

}  // namespace fovea
