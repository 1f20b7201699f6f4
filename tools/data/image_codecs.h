// The two formats behind image_file.h.
#pragma once
#include <span>
#include <string>

#include "tools/data/image_file.h"

namespace fovea {

struct DecodedImage {
  Image image;          // as stored
  int orientation = 1;  // Exif's 1..8: how to turn it upright
};

DecodedImage decode_jpeg(std::span<const uint8_t> bytes, const std::string& name, const ImageLimits& limits);
DecodedImage decode_png(std::span<const uint8_t> bytes, const std::string& name, const ImageLimits& limits);
std::vector<uint8_t> encode_png(const Image& image);

// The orientation tag in a TIFF header (what follows "Exif\0\0" in a JPEG, the eXIf chunk of a PNG); 1 where there is
// none.
int exif_orientation(std::span<const uint8_t> tiff);

// Throws ErrorKind::Data when width × height is beyond the limit; else sizes `image` to hold the pixels.
void allocate(Image& image, int64_t width, int64_t height, const std::string& name, const ImageLimits& limits);

}  // namespace fovea
