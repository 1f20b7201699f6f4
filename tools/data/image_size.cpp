#include "tools/data/image_size.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "kernels/error.h"
#include "tools/data/file.h"
#include "tools/data/image_file.h"

namespace fovea {
namespace {

ImageSize size_of(std::span<const uint8_t> bytes, const std::filesystem::path& path) {
  const DecodedImage head = decode_image_file(bytes, path.string(), {.size_only = true});
  return {head.full_width, head.full_height};
}

// The file's first bytes; none where it cannot be opened.
std::vector<uint8_t> first_bytes(const std::filesystem::path& path, size_t count) {
  std::vector<uint8_t> bytes(count);
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  bytes.resize(file ? std::fread(bytes.data(), 1, count, file.get()) : 0);
  return bytes;
}

}  // namespace

ImageSize read_image_size(const std::filesystem::path& path) {
  constexpr size_t kHead = 64 << 10;  // of most files enough
  if (const auto head = first_bytes(path, kHead); head.size() == kHead) {
    try {
      return size_of(head, path);
    } catch (const Error& error) {
      // A long Exif block, or a TIFF whose directory stands at its end: the whole file decides.
      if (error.kind() != ErrorKind::Data) throw;
    }
  }
  return size_of(read_file(path), path);
}

}  // namespace fovea
