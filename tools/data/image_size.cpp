// The libraries' errors leave by longjmp, so nothing with a destructor may be made between setjmp and the call that
// fails: the state lives in objects that the caller owns.
#include "tools/data/image_size.h"

#include <fmt/format.h>
#include <png.h>

#include <array>
#include <csetjmp>
#include <cstdio>
// jpeglib.h needs stdio.h before it
#include <jpeglib.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "kernels/error.h"
#include "tools/data/file.h"
#include "tools/data/image_codecs.h"

namespace fovea {
namespace {

struct Header {
  ImageSize size{0, 0};
  int orientation = 1;
};

struct JpegHeader {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  std::jmp_buf failed;
  char message[JMSG_LENGTH_MAX] = "";

  JpegHeader() {
    info.err = jpeg_std_error(&errors);
    info.client_data = this;
    errors.error_exit = [](j_common_ptr common) {
      auto& self = *static_cast<JpegHeader*>(common->client_data);
      common->err->format_message(common, self.message);
      std::longjmp(self.failed, 1);
    };
    errors.emit_message = [](j_common_ptr, int) {};
  }
  ~JpegHeader() { jpeg_destroy_decompress(&info); }
  JpegHeader(const JpegHeader&) = delete;
  JpegHeader& operator=(const JpegHeader&) = delete;
};

bool read_jpeg(JpegHeader& jpeg, FILE* file) {
  if (setjmp(jpeg.failed)) return false;
  jpeg_create_decompress(&jpeg.info);
  jpeg_stdio_src(&jpeg.info, file);
  jpeg_save_markers(&jpeg.info, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(&jpeg.info, TRUE);
  return true;
}

Header jpeg_header(FILE* file, const std::string& name) {
  JpegHeader jpeg;
  if (!read_jpeg(jpeg, file))
    throw Error(ErrorKind::Data, fmt::format("{}: damaged or truncated JPEG: {}", name, jpeg.message));
  Header header{{static_cast<int>(jpeg.info.image_width), static_cast<int>(jpeg.info.image_height)}};
  constexpr std::string_view exif("Exif\0\0", 6);
  for (auto* marker = jpeg.info.marker_list; marker != nullptr && header.orientation == 1; marker = marker->next) {
    const std::span<const uint8_t> data(marker->data, marker->data_length);
    if (data.size() >= exif.size() && std::equal(exif.begin(), exif.end(), data.begin()))
      header.orientation = exif_orientation(data.subspan(exif.size()));
  }
  return header;
}

struct PngHeader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::array<char, 256> message{};

  PngHeader() {
    png = png_create_read_struct(
        PNG_LIBPNG_VER_STRING, this,
        [](png_structp failed, png_const_charp why) {
          auto& text = static_cast<PngHeader*>(png_get_error_ptr(failed))->message;
          std::snprintf(text.data(), text.size(), "%s", why);
          png_longjmp(failed, 1);
        },
        [](png_structp, png_const_charp) {});
    if (png != nullptr) info = png_create_info_struct(png);
    if (info == nullptr) throw std::bad_alloc();
  }
  ~PngHeader() { png_destroy_read_struct(&png, &info, nullptr); }
  PngHeader(const PngHeader&) = delete;
  PngHeader& operator=(const PngHeader&) = delete;
};

bool read_png(PngHeader& png, FILE* file) {
  if (setjmp(png_jmpbuf(png.png))) return false;
  png_init_io(png.png, file);
  png_read_info(png.png, png.info);
  return true;
}

Header png_header(FILE* file, const std::string& name) {
  PngHeader png;
  if (!read_png(png, file))
    throw Error(ErrorKind::Data, fmt::format("{}: damaged or truncated PNG: {}", name, png.message.data()));
  Header header{{static_cast<int>(png_get_image_width(png.png, png.info)),
                 static_cast<int>(png_get_image_height(png.png, png.info))}};
  png_bytep exif = nullptr;
  png_uint_32 bytes = 0;
  if (png_get_eXIf_1(png.png, png.info, &bytes, &exif) != 0) header.orientation = exif_orientation({exif, bytes});
  return header;
}

}  // namespace

ImageSize read_image_size(const std::filesystem::path& path) {
  const std::string name = printable(path.native());
  const FileHandle file = open_file(path);
  std::array<uint8_t, 8> magic{};
  const size_t got = std::fread(magic.data(), 1, magic.size(), file.get());
  if (got == 0) throw Error(ErrorKind::Data, fmt::format("{}: is empty (0 bytes)", name));
  std::rewind(file.get());
  const auto begins_with = [&](std::string_view bytes) {
    return got >= bytes.size() && std::equal(bytes.begin(), bytes.end(), magic.begin(),
                                             [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
  };
  const bool is_jpeg = begins_with("\xFF\xD8\xFF");
  if (!is_jpeg && !begins_with("\x89PNG\r\n\x1a\n"))
    throw Error(ErrorKind::Data, fmt::format("{}: is neither a JPEG nor a PNG image", name));
  Header header = is_jpeg ? jpeg_header(file.get(), name) : png_header(file.get(), name);
  if (header.orientation >= 5) std::swap(header.size.width, header.size.height);
  return header.size;
}

}  // namespace fovea
