// PNG through libpng. As in image_jpeg.cpp, what must be destroyed lives outside the functions that setjmp.
#include <fmt/format.h>
#include <png.h>

#include <csetjmp>
#include <cstring>
#include <exception>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/image/image_codecs.h"
#include "tools/text/file.h"

namespace fovea {
namespace {

struct Messages {
  std::string error = "unknown error";
};

void keep_error(png_structp png, png_const_charp text) {
  static_cast<Messages*>(png_get_error_ptr(png))->error = text;
  png_longjmp(png, 1);
}
void ignore_warning(png_structp, png_const_charp) {}  // about color profiles and text chunks, which are not used

struct PngReader {
  Messages messages;
  std::span<const uint8_t> rest;
  std::vector<uint8_t*> rows;
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &messages, keep_error, ignore_warning);
  png_infop info = png_create_info_struct(png);

  explicit PngReader(std::span<const uint8_t> bytes) : rest(bytes) { require(png && info, "cannot initialize libpng"); }
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  static void take(png_structp png, png_bytep out, size_t count) {
    auto& reader = *static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > reader.rest.size()) png_error(png, "the file ends too early");
    std::memcpy(out, reader.rest.data(), count);
    reader.rest = reader.rest.subspan(count);
  }
};

// Any color form to 8-bit RGB over white, without gamma.
void ask_for_rgb(png_structp png, png_infop info) {
  const png_color_16 white{.index = 0, .red = 255, .green = 255, .blue = 255, .gray = 255};
  png_set_strip_16(png);
  png_set_expand(png);
  png_set_background(png, &white, PNG_BACKGROUND_GAMMA_SCREEN, 0, 1.0);
  png_set_gray_to_rgb(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
}

int orientation_of(PngReader& reader) {
  png_bytep exif = nullptr;
  png_uint_32 exif_size = 0;
  return png_get_eXIf_1(reader.png, reader.info, &exif_size, &exif) != 0 ? exif_orientation({exif, exif_size}) : 1;
}

bool read(PngReader& reader, const std::string& name, const ImageOptions& options, StoredImage& stored) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_set_read_fn(reader.png, &reader, PngReader::take);
  png_set_user_limits(reader.png, INT32_MAX, INT32_MAX);  // allocate() has the limit, and says so
  png_read_info(reader.png, reader.info);
  allocate(stored, png_get_image_width(reader.png, reader.info), png_get_image_height(reader.png, reader.info), name,
           options);
  stored.orientation = orientation_of(reader);
  if (options.size_only) return true;
  ask_for_rgb(reader.png, reader.info);
  const size_t stride = size_t{3} * stored.image.width;
  if (png_get_rowbytes(reader.png, reader.info) != stride) png_error(reader.png, "unexpected row size");
  reader.rows.resize(stored.image.height);
  for (size_t y = 0; y < reader.rows.size(); ++y) reader.rows[y] = stored.image.rgb.data() + y * stride;
  png_read_image(reader.png, reader.rows.data());
  png_read_end(reader.png, reader.info);
  stored.orientation = orientation_of(reader);  // again: the chunk may stand behind the pixels
  return true;
}

struct PngWriter {
  Messages messages;
  NewFile& file;
  std::exception_ptr fault;  // of the file: libpng knows errors of its own only
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &messages, keep_error, ignore_warning);
  png_infop info = png_create_info_struct(png);

  explicit PngWriter(NewFile& f) : file(f) { require(png && info, "cannot initialize libpng"); }
  ~PngWriter() { png_destroy_write_struct(&png, &info); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  static void append(png_structp png, png_bytep data, size_t count) {
    auto& writer = *static_cast<PngWriter*>(png_get_io_ptr(png));
    if (!writer.takes({data, count})) png_error(png, "the file cannot be written");
  }
  bool takes(std::span<const uint8_t> data) {
    try {
      file.write(data);
      return true;
    } catch (const Error&) {
      fault = std::current_exception();
      return false;
    }
  }
};

bool write(PngWriter& writer, const Image& image, const std::string& comment) {
  if (setjmp(png_jmpbuf(writer.png))) return false;
  png_set_write_fn(writer.png, &writer, PngWriter::append, nullptr);
  png_set_IHDR(writer.png, writer.info, image.width, image.height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_text text{};
  text.compression = PNG_TEXT_COMPRESSION_NONE;
  text.key = const_cast<char*>("Comment");
  text.text = const_cast<char*>(comment.c_str());
  if (!comment.empty()) png_set_text(writer.png, writer.info, &text, 1);
  png_write_info(writer.png, writer.info);
  for (int y = 0; y < image.height; ++y) png_write_row(writer.png, image.rgb.data() + size_t{3} * image.width * y);
  png_write_end(writer.png, writer.info);
  return true;
}

}  // namespace

StoredImage decode_png(std::span<const uint8_t> bytes, const std::string& name, const ImageOptions& options) {
  PngReader reader(bytes);
  StoredImage stored;
  if (!read(reader, name, options, stored)) report_damage(stored, "PNG", reader.messages.error, name, options);
  return stored;
}

void write_png(const std::filesystem::path& path, const Image& image, const std::string& comment) {
  require_pixels(image);
  NewFile file(path);
  PngWriter writer(file);
  if (!write(writer, image, comment)) {
    if (writer.fault) std::rethrow_exception(writer.fault);
    throw Error(ErrorKind::Runtime,
                fmt::format("{}: cannot be encoded as PNG: {}", printable(path.native()), writer.messages.error));
  }
  file.keep();
}

}  // namespace fovea
