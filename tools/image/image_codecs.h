// The formats behind image_file.h.
#pragma once
#include <span>
#include <string>

#include "tools/image/image_file.h"

namespace fovea {

// As decoded: not turned upright yet.
struct StoredImage : DecodedImage {
  int orientation = 1;  // Exif's 1..8: how to turn it upright
};

StoredImage decode_jpeg(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options);
StoredImage decode_png(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options);
StoredImage decode_webp(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options);
StoredImage decode_bmp(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options);
StoredImage decode_tiff(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options);
// A bug where the image is empty or has not all its pixels.
void require_pixels(const Image& image);

// The orientation tag in a TIFF header (what follows "Exif\0\0" in a JPEG, the eXIf chunk of a PNG); 1 where there is
// none.
int exif_orientation(std::span<const uint8_t> tiff);

// Throws ErrorKind::Data when the image's width × height is beyond the limit; else sizes it to hold the pixels at
// 1/divisor of its size. Where the size alone is asked for, it is noted and nothing else; a decoder then returns.
void allocate(StoredImage& stored, int64_t width, int64_t height, const std::string& name, const ImageOptions& options,
              int divisor = 1);

// What a decoder does with a file that is damaged or ends early. Throws ErrorKind::Data, unless such files are kept and
// there are pixels.
void report_damage(StoredImage& stored, const char* format, std::string_view why, const std::string& name,
                   const ImageOptions& options);

inline uint8_t over_white(int value, int alpha) {
  return static_cast<uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

}  // namespace fovea
