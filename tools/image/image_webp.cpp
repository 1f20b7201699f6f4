// WebP through libwebp. The incremental decoder is used, since it keeps the rows of a file that is cut short.
#include <fmt/format.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/image/image_codecs.h"

namespace fovea {
namespace {

const char* words(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
      return "out of memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "libwebp does not support a feature of it";
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return "the file ends too early";
    default:
      return "invalid data";
  }
}

// The orientation stands at the end.
bool is_whole(std::span<const uint8_t> bytes) {
  const uint64_t size = bytes[4] | bytes[5] << 8 | bytes[6] << 16 | uint64_t{bytes[7]} << 24;  // what follows it
  return bytes.size() >= size + 8;
}

int orientation_of(std::span<const uint8_t> bytes) {
  const WebPData data{bytes.data(), bytes.size()};
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(WebPDemux(&data), WebPDemuxDelete);
  WebPChunkIterator chunk;
  if (!demuxer || WebPDemuxGetChunk(demuxer.get(), "EXIF", 1, &chunk) == 0) return 1;
  std::span<const uint8_t> exif(chunk.chunk.bytes, chunk.chunk.size);
  constexpr std::string_view prefix("Exif\0\0", 6);  // which some programs write, as in a JPEG
  if (exif.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), exif.begin()))
    exif = exif.subspan(prefix.size());
  const int orientation = exif_orientation(exif);
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

// `out` gets RGB, or RGBA where there is alpha; what was not decoded stays.
VP8StatusCode decode(std::span<const uint8_t> bytes, WebPDecoderConfig& config, std::vector<uint8_t>& out) {
  const bool alpha = config.input.has_alpha != 0;
  config.output.colorspace = alpha ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {out.data(), config.input.width * (alpha ? 4 : 3), out.size()};
  const std::unique_ptr<WebPIDecoder, decltype(&WebPIDelete)> decoder(WebPIDecode(nullptr, 0, &config), WebPIDelete);
  return decoder ? WebPIUpdate(decoder.get(), bytes.data(), bytes.size()) : VP8_STATUS_OUT_OF_MEMORY;
}

}  // namespace

StoredImage decode_webp(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options) {
  StoredImage stored;
  WebPDecoderConfig config;
  require(WebPInitDecoderConfig(&config) != 0, "libwebp has another version than the one compiled against");
  VP8StatusCode status = WebPGetFeatures(bytes.data(), bytes.size(), &config.input);
  if (status != VP8_STATUS_OK) {
    report_damage(stored, "WebP", words(status), name, options);
    return stored;
  }
  if (config.input.has_animation != 0)
    throw Error(ErrorKind::Data,
                fmt::format("{}: animated WebP files are not supported; save a single frame", printable(name)));
  allocate(stored, config.input.width, config.input.height, name, options);
  stored.orientation = orientation_of(bytes);
  if (options.size_only) {
    if (!is_whole(bytes)) report_damage(stored, "WebP", words(VP8_STATUS_SUSPENDED), name, options);
    return stored;
  }
  std::vector<uint8_t>& rgb = stored.image.rgb;
  if (config.input.has_alpha != 0) {
    std::vector<uint8_t> rgba;
    for (size_t i = 0; i < rgb.size(); i += 3) rgba.insert(rgba.end(), {rgb[i], rgb[i + 1], rgb[i + 2], 255});
    status = decode(bytes, config, rgba);
    for (size_t i = 0, from = 0; i < rgb.size(); i += 3, from += 4)
      for (size_t c = 0; c < 3; ++c) rgb[i + c] = over_white(rgba[from + c], rgba[from + 3]);
  } else {
    status = decode(bytes, config, rgb);
  }
  if (status != VP8_STATUS_OK) report_damage(stored, "WebP", words(status), name, options);
  return stored;
}

}  // namespace fovea
