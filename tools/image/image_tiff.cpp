// TIFF through libtiff, which turns every color form of its own into 8-bit RGBA. The first page is taken.
#include <fmt/format.h>
#include <tiffio.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/image/image_codecs.h"

namespace fovea {
namespace {

// A file in memory, as libtiff asks for it, and its last words.
struct TiffSource {
  std::span<const uint8_t> bytes;
  toff_t at = 0;
  std::string error;

  static TiffSource& of(thandle_t handle) { return *static_cast<TiffSource*>(handle); }

  static tmsize_t read(thandle_t handle, void* out, tmsize_t count) {
    TiffSource& source = of(handle);
    const auto rest = source.bytes.size() - std::min<size_t>(source.at, source.bytes.size());
    const size_t taken = std::min<size_t>(rest, static_cast<size_t>(count));
    if (taken > 0) std::memcpy(out, source.bytes.data() + source.at, taken);
    source.at += taken;
    return static_cast<tmsize_t>(taken);
  }
  static tmsize_t write(thandle_t, void*, tmsize_t) { return -1; }
  static toff_t seek(thandle_t handle, toff_t offset, int from) {
    TiffSource& source = of(handle);
    if (from == SEEK_CUR) offset += source.at;
    if (from == SEEK_END) offset += source.bytes.size();
    return source.at = offset;
  }
  static int close(thandle_t) { return 0; }
  static toff_t size(thandle_t handle) { return of(handle).bytes.size(); }
  // libtiff only reads what is mapped.
  static int map(thandle_t handle, void** begin, toff_t* count) {
    *begin = const_cast<uint8_t*>(of(handle).bytes.data());
    *count = of(handle).bytes.size();
    return 1;
  }
  static void unmap(thandle_t, void*, toff_t) {}

  static int keep_error(TIFF*, void* source, const char*, const char* format, va_list values) {
    char text[256];
    std::vsnprintf(text, sizeof text, format, values);
    std::string& error = static_cast<TiffSource*>(source)->error;
    if (error.empty()) error = text;
    return 1;
  }
  static int ignore_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }  // mostly of unknown tags
};

using TiffHandle = std::unique_ptr<TIFF, decltype(&TIFFClose)>;

// With the functions of TiffSource, and what comes behind them in libtiff's call.
template <class Open, class... Last>
TiffHandle open_by(Open open, TiffSource& source, Last... last) {
  return {open("image", "r", &source, TiffSource::read, TiffSource::write, TiffSource::seek, TiffSource::close,
               TiffSource::size, TiffSource::map, TiffSource::unmap, last...),
          TIFFClose};
}

#ifdef TIFFLIB_AT_LEAST
TiffHandle open(TiffSource& source, const ImageOptions& options) {
  constexpr int64_t kBytesOfPixel = 8;  // four channels of 16 bits: what one strip may hold at most
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> opening(TIFFOpenOptionsAlloc(),
                                                                                 TIFFOpenOptionsFree);
  require(opening != nullptr, "cannot initialize libtiff");
  TIFFOpenOptionsSetMaxSingleMemAlloc(opening.get(), std::max<int64_t>(1 << 24, options.pixels * kBytesOfPixel));
  TIFFOpenOptionsSetErrorHandlerExtR(opening.get(), TiffSource::keep_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(opening.get(), TiffSource::ignore_warning, &source);
  return open_by(TIFFClientOpenExt, source, opening.get());
}
#else
// Before libtiff 4.5 handlers are the process's, and are told the source; memory has no limit but libtiff's own.
TiffHandle open(TiffSource& source, const ImageOptions&) {
  static const bool set = [] {
    TIFFSetErrorHandler(nullptr);
    TIFFSetErrorHandlerExt([](thandle_t of, const char* module, const char* format, va_list values) {
      TiffSource::keep_error(nullptr, of, module, format, values);
    });
    TIFFSetWarningHandler(nullptr);
    return true;
  }();
  require(set, "cannot initialize libtiff");
  return open_by(TIFFClientOpen, source);
}
#endif

// libtiff's own turning is undone: it knows four of the eight orientations.
bool read_rgba(TIFF* tiff, TiffSource& source, bool keep_damaged, std::vector<uint32_t>& rgba) {
  char error[1024] = "";
  TIFFRGBAImage image;
  if (TIFFRGBAImageOK(tiff, error) == 0 || TIFFRGBAImageBegin(&image, tiff, keep_damaged ? 0 : 1, error) == 0) {
    source.error = error;
    return false;
  }
  image.req_orientation = image.orientation;
  const bool read = TIFFRGBAImageGet(&image, rgba.data(), image.width, image.height) != 0;
  TIFFRGBAImageEnd(&image);
  return read;
}

// A fourth channel that does not say what it is, is not taken for alpha.
bool has_alpha(TIFF* tiff) {
  uint16_t count = 0;
  const uint16_t* kinds = nullptr;
  return TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) != 0 && count > 0 &&
         (kinds[0] == EXTRASAMPLE_ASSOCALPHA || kinds[0] == EXTRASAMPLE_UNASSALPHA);
}

// Samples of 32 bits and floats are measurements: no value of theirs is white by itself.
void refuse_wide_samples(TIFF* tiff, const std::string& name) {
  uint16_t bits = 1, format = SAMPLEFORMAT_UINT;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
  const bool floats = format == SAMPLEFORMAT_IEEEFP;
  if (floats || bits > 16)
    throw Error(
        ErrorKind::Data,
        fmt::format("{}: is a TIFF with {}-bit {} samples, which do not say what is black and white: save it with "
                    "8 or 16 bits",
                    printable(name), bits, floats ? "float" : "integer"));
}

}  // namespace

StoredImage decode_tiff(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options) {
  StoredImage stored;
  TiffSource source{bytes};
  const TiffHandle tiff = open(source, options);
  uint32_t width = 0, height = 0;
  if (!tiff || TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &width) == 0 ||
      TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &height) == 0) {
    report_damage(stored, "TIFF", source.error.empty() ? "it has no size" : source.error, name, options);
    return stored;
  }
  refuse_wide_samples(tiff.get(), name);
  allocate(stored, width, height, name, options);
  uint16_t orientation = 1;
  if (TIFFGetField(tiff.get(), TIFFTAG_ORIENTATION, &orientation) != 0 && orientation >= 1 && orientation <= 8)
    stored.orientation = orientation;
  if (options.size_only) return stored;
  std::vector<uint8_t>& rgb = stored.image.rgb;
  constexpr uint32_t kOpaqueGray = 0xFF808080;
  std::vector<uint32_t> rgba(rgb.size() / 3, kOpaqueGray);
  if (!read_rgba(tiff.get(), source, options.keep_damaged, rgba) || !source.error.empty())
    report_damage(stored, "TIFF", source.error, name, options);
  const bool alpha = has_alpha(tiff.get());  // libtiff has multiplied the colors by it
  for (size_t i = 0; i < rgba.size(); ++i) {
    const int white = alpha ? 255 - static_cast<int>(TIFFGetA(rgba[i])) : 0;
    const uint32_t channels[] = {TIFFGetR(rgba[i]), TIFFGetG(rgba[i]), TIFFGetB(rgba[i])};
    for (size_t c = 0; c < 3; ++c)
      rgb[3 * i + c] = static_cast<uint8_t>(std::min(255, static_cast<int>(channels[c]) + white));
  }
  return stored;
}

}  // namespace fovea
