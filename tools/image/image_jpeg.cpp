// JPEG through libjpeg. Its errors leave by longjmp, so nothing with a destructor may be made between setjmp and the
// call that fails: the state lives in JpegReader, which the caller owns.
#include <fmt/format.h>

#include <csetjmp>
#include <cstdio>
// jpeglib.h needs stdio.h before it, and jerror.h jpeglib.h: its numbers differ by the version that the library speaks.
#include <jpeglib.h>

#include <jerror.h>

#include <string_view>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/image/image_codecs.h"

namespace fovea {
namespace {

struct JpegReader {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  std::jmp_buf failed;
  bool damaged = false;
  int refused_precision = 0;  // bits a sample, where libjpeg cannot read so many
  char message[JMSG_LENGTH_MAX] = "";
  std::vector<uint8_t> cmyk_row;

  JpegReader() {
    info.err = jpeg_std_error(&errors);
    info.client_data = this;
    errors.error_exit = [](j_common_ptr common) {
      if (common->err->msg_code == JERR_BAD_PRECISION) of(common).refused_precision = common->err->msg_parm.i[0];
      common->err->format_message(common, of(common).message);
      std::longjmp(of(common).failed, 1);
    };
    errors.emit_message = [](j_common_ptr common, int level) { of(common).warn(common, level); };
  }
  ~JpegReader() { jpeg_destroy_decompress(&info); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  static JpegReader& of(j_common_ptr common) { return *static_cast<JpegReader*>(common->client_data); }

  // libjpeg goes on with gray pixels where scan data is missing or wrong, and only warns. Some warnings leave the
  // pixels whole.
  void warn(j_common_ptr common, int level) {
    const int code = common->err->msg_code;
    const bool harmless =
        code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM || code == JWRN_BOGUS_ICC;
    if (level >= 0 || harmless || damaged) return;
    damaged = true;
    common->err->format_message(common, message);
  }
};

int orientation_of(const jpeg_decompress_struct& info) {
  constexpr std::string_view exif("Exif\0\0", 6);
  for (auto* marker = info.marker_list; marker; marker = marker->next) {
    const std::span<const uint8_t> data(marker->data, marker->data_length);
    if (data.size() >= exif.size() && std::equal(exif.begin(), exif.end(), data.begin())) {
      return exif_orientation(data.subspan(exif.size()));
    }
  }
  return 1;
}

// Four-color JPEGs hold inverted CMYK (Adobe's convention, which every program follows): 255 is no ink.
void inverted_cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb, int width) {
  for (int x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    for (int c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>((cmyk[c] * cmyk[3] + 127) / 255);
  }
}

// False when libjpeg gave up; the reason is then in reader.message.
bool read(JpegReader& reader, std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options,
          StoredImage& stored) {
  jpeg_decompress_struct& info = reader.info;
  if (setjmp(reader.failed)) return false;
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes.data(), bytes.size());
  jpeg_save_markers(&info, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&info, TRUE);
  stored.orientation = orientation_of(info);
  const auto width = static_cast<int>(info.image_width), height = static_cast<int>(info.image_height);
  int divisor = options.jpeg_divisor ? options.jpeg_divisor(width, height) : 1;
  // Turned, pixels that reach beyond the edge would come to lie at the left or the top, and move all others.
  while (stored.orientation != 1 && (width % divisor != 0 || height % divisor != 0)) divisor /= 2;
  allocate(stored, width, height, name, options, divisor);
  if (options.size_only) return true;
  info.scale_num = 1;
  info.scale_denom = static_cast<unsigned>(divisor);
  const bool cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&info);
  require(info.output_width == static_cast<unsigned>(stored.image.width) &&
              info.output_height == static_cast<unsigned>(stored.image.height),
          "libjpeg did not round a scaled size up");
  if (cmyk) reader.cmyk_row.resize(size_t{4} * info.output_width);
  while (info.output_scanline < info.output_height) {
    uint8_t* out = stored.image.rgb.data() + size_t{3} * info.output_width * info.output_scanline;
    JSAMPROW row = cmyk ? reader.cmyk_row.data() : out;
    jpeg_read_scanlines(&info, &row, 1);
    if (cmyk) inverted_cmyk_to_rgb(row, out, stored.image.width);
  }
  jpeg_finish_decompress(&info);
  return true;
}

}  // namespace

StoredImage decode_jpeg(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options) {
  JpegReader reader;
  StoredImage stored;
  const bool whole = read(reader, bytes, name, options, stored) && !reader.damaged;
  if (reader.refused_precision > 0)
    throw Error(ErrorKind::Data,
                fmt::format("{}: JPEG files with {} bits per sample are not supported; save the image with 8",
                            printable(name), reader.refused_precision));
  if (!whole) report_damage(stored, "JPEG", reader.message, name, options);
  return stored;
}

}  // namespace fovea
