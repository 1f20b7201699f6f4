// JPEG files, row by row through libjpeg.
#include <fmt/format.h>

#include <cstdio>
// jpeglib.h needs stdio.h before it.
#include <jpeglib.h>

#include <algorithm>
#include <array>
#include <exception>
#include <span>
#include <string>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/image/image_codecs.h"
#include "tools/text/file.h"

namespace fovea {
namespace {

struct FileWriter {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_destination_mgr destination{};
  std::array<uint8_t, size_t{1} << 16> buffer;
  NewFile& file;
  std::exception_ptr fault;  // of the file; it waits until libjpeg, which is C, has returned

  explicit FileWriter(NewFile& f) : file(f) {
    info.err = jpeg_std_error(&errors);
    info.client_data = this;
    errors.error_exit = [](j_common_ptr common) {
      char text[JMSG_LENGTH_MAX];
      common->err->format_message(common, text);
      throw Error(ErrorKind::Runtime, fmt::format("cannot encode a JPEG: {}", text));
    };
    jpeg_create_compress(&info);
    destination.init_destination = restart;
    destination.empty_output_buffer = [](j_compress_ptr jpeg) {
      of(jpeg).write(of(jpeg).buffer.size());
      restart(jpeg);
      return boolean{TRUE};
    };
    destination.term_destination = [](j_compress_ptr jpeg) {
      of(jpeg).write(of(jpeg).buffer.size() - jpeg->dest->free_in_buffer);
    };
    info.dest = &destination;
  }
  ~FileWriter() { jpeg_destroy_compress(&info); }
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void write(size_t bytes) {
    if (fault) return;
    try {
      file.write(std::span(buffer).first(bytes));
    } catch (const Error&) {
      fault = std::current_exception();
    }
  }
  static FileWriter& of(j_compress_ptr jpeg) { return *static_cast<FileWriter*>(jpeg->client_data); }
  static void restart(j_compress_ptr jpeg) {
    jpeg->dest->next_output_byte = of(jpeg).buffer.data();
    jpeg->dest->free_in_buffer = of(jpeg).buffer.size();
  }
};

}  // namespace

void write_jpeg(const std::filesystem::path& path, const Image& image, int quality, const std::string& comment) {
  require_pixels(image);
  if (std::max(image.width, image.height) > JPEG_MAX_DIMENSION)
    throw Error(ErrorKind::Data, fmt::format("{}: {}x{} pixels are more than a JPEG can have ({} a side)",
                                             printable(path.native()), image.width, image.height, JPEG_MAX_DIMENSION));
  NewFile file(path);
  FileWriter writer(file);
  jpeg_compress_struct& info = writer.info;
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  jpeg_start_compress(&info, TRUE);
  if (!comment.empty())
    jpeg_write_marker(&info, JPEG_COM, reinterpret_cast<const JOCTET*>(comment.data()),
                      static_cast<unsigned>(comment.size()));
  while (info.next_scanline < info.image_height && !writer.fault) {
    auto* row = const_cast<JSAMPROW>(&image.rgb[size_t{3} * info.image_width * info.next_scanline]);
    jpeg_write_scanlines(&info, &row, 1);
  }
  if (!writer.fault) jpeg_finish_compress(&info);
  if (writer.fault) std::rethrow_exception(writer.fault);
  file.keep();
}

}  // namespace fovea
