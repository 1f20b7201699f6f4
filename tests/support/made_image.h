// Images made for datasets in tests, each with pixels of its own.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "tools/image/image_file.h"
#include "tools/text/file.h"

namespace fovea::test {

inline uint32_t png_checksum(std::string_view bytes) {
  uint32_t sum = 0xFFFFFFFF;
  for (const char byte : bytes) {
    sum ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ ((sum & 1) != 0 ? 0xEDB88320U : 0U);
  }
  return ~sum;
}

inline std::string big_endian(uint32_t number) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(number >> shift);
  return bytes;
}

// A PNG, whatever its name, of `width` × `height` stored pixels that Exif's `orientation` says how to turn.
inline void make_image(const std::filesystem::path& path, int width, int height, int orientation = 1) {
  Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3)};
  for (size_t i = 0; i < image.rgb.size(); ++i)  // no two names have the same pixels
    image.rgb[i] = static_cast<uint8_t>(std::hash<std::string>()(path.string()) >> (i % 7));
  std::filesystem::create_directories(path.parent_path());
  write_png(path, image);
  if (orientation == 1) return;
  const auto written = read_file(path);
  std::string bytes(written.begin(), written.end());
  using namespace std::string_view_literals;
  // The chunk eXIf: a TIFF directory with the one entry 0x0112, a short.
  std::string chunk("eXIfMM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"sv);
  chunk.push_back(static_cast<char>(orientation));
  chunk.append("\0\0\0\0\0\0"sv);
  constexpr size_t behind_head = 33;
  bytes.insert(behind_head,
               big_endian(static_cast<uint32_t>(chunk.size() - 4)) + chunk + big_endian(png_checksum(chunk)));
  write_file(path, bytes);
}

}  // namespace fovea::test
