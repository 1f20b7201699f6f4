#include "tools/image/image_size.h"

#include <cstdio>
#include <string_view>

#include "kernels/error.h"
#include "tools/image/image_file.h"
#include "tools/text/file.h"

namespace fovea {
namespace {

std::vector<uint8_t> first_bytes(const std::filesystem::path& path, size_t count) {
  std::vector<uint8_t> bytes(count);
  bytes.resize(std::fread(bytes.data(), 1, count, open_file(path).get()));
  return bytes;
}

constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1a\n";

bool is_png(const std::vector<uint8_t>& bytes) {
  return bytes.size() >= kPngSignature.size() &&
         std::string_view(reinterpret_cast<const char*>(bytes.data()), kPngSignature.size()) == kPngSignature;
}

// The chunk that says how a PNG is turned may stand behind its pixels. Then it is put before them, where libpng finds
// it in the head: `head` is as many of the file's first bytes as were read. A chunk is its length, its type (4 bytes
// each), as many bytes, and a checksum (4), so that all others are passed over without being read.
void bring_orientation_forward(const std::filesystem::path& path, std::vector<uint8_t>& head) {
  constexpr uint64_t kBefore = 8, kAround = 12;  // bytes of a chunk before its data; and with those behind
  const FileHandle file = open_file(path);
  std::setvbuf(file.get(), nullptr, _IONBF, 0);  // what lies behind a chunk's beginning is not wanted
  const auto read = [&](uint64_t at, uint8_t* to, size_t count) {
    return std::fseek(file.get(), static_cast<long>(at), SEEK_SET) == 0 &&
           std::fread(to, 1, count, file.get()) == count;
  };
  std::fseek(file.get(), 0, SEEK_END);
  const auto size = static_cast<uint64_t>(std::ftell(file.get()));
  uint64_t pixels = 0;
  uint8_t before[kBefore];
  for (uint64_t at = kPngSignature.size(); read(at, before, kBefore);) {
    const uint32_t length = uint32_t{before[0]} << 24 | before[1] << 16 | before[2] << 8 | before[3];
    const std::string_view type(reinterpret_cast<const char*>(before) + 4, 4);
    if (type == "IDAT" && pixels == 0) pixels = at;
    if (type == "IEND") return;
    if (type == "eXIf") {
      if (pixels == 0 || pixels > head.size()) return;  // in the head; or that ends before the pixels begin
      if (at + kAround + length > size) return;         // cut off: the decoder sees none either
      std::vector<uint8_t> chunk(kAround + length);
      if (read(at, chunk.data(), chunk.size()))
        head.insert(head.begin() + static_cast<std::ptrdiff_t>(pixels), chunk.begin(), chunk.end());
      return;
    }
    at += kAround + length;
  }
}

ImageSize size_of(std::vector<uint8_t> bytes, const std::filesystem::path& path, ImageSize annotated) {
  if (is_png(bytes)) bring_orientation_forward(path, bytes);
  const DecodedImage head =
      decode_image_file(bytes, path.string(),
                        {.size_only = true, .annotated_width = annotated.width, .annotated_height = annotated.height});
  return {head.full_width, head.full_height, head.as_stored};
}

}  // namespace

ImageSize read_image_size(const std::filesystem::path& path, ImageSize annotated) {
  constexpr size_t kHead = 64 << 10;  // of most files enough
  if (auto head = first_bytes(path, kHead); head.size() == kHead) {
    try {
      return size_of(std::move(head), path, annotated);
    } catch (const Error& error) {
      // A long Exif block, or a TIFF whose directory stands at its end: the whole file decides.
      if (error.kind() != ErrorKind::Data) throw;
    }
  }
  return size_of(read_file(path), path, annotated);
}

}  // namespace fovea
