#include "tools/report/html.h"

#include <fmt/format.h>
// jpeglib.h needs FILE
#include <jpeglib.h>
#include <cstdio>

#include <csetjmp>
#include <cstdlib>

#include "kernels/error.h"
#include "tools/text/outputs.h"

namespace fovea {
namespace {

constexpr const char* style = R"(
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 1440px; margin: 0 auto; padding: 24px; }
h1 { font-size: 26px; margin: 0; } h2 { font-size: 20px; margin: 40px 0 8px; border-bottom: 1px solid #ddd; }
p { max-width: 860px; } .quiet { color: #666; }
table { border-collapse: collapse; margin: 12px 0; font-variant-numeric: tabular-nums; }
th, td { padding: 2px 8px; font-size: 14px; text-align: right; border-bottom: 1px solid #eee; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { color: #555; font-weight: 600; }
.words { white-space: normal; text-align: left; max-width: 760px; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
tbody tr:hover { background: #f5f8fc; }
.wide { overflow-x: auto; } .wide svg { max-width: 100%; height: auto; }
.tiles { display: flex; gap: 16px; flex-wrap: wrap; margin: 16px 0; }
.tile { border: 1px solid #ddd; border-radius: 8px; padding: 10px 22px; } .tile b { display: block; font-size: 28px; }
.bar { display: inline-block; width: 84px; padding: 0 6px; box-sizing: border-box; }
.grid { display: flex; flex-wrap: wrap; gap: 14px; } figure { margin: 0; } figcaption { color: #444; font-size: 13px; }
.pictures figure { max-width: 640px; } .pictures img { max-width: 100%; height: auto; display: block; }
.key { display: inline-block; width: 12px; height: 12px; margin: 0 4px 0 14px; border: 3px solid; vertical-align: -3px; }
@media print { body { padding: 0; } h2 { break-after: avoid; } tr, svg, figure { break-inside: avoid; } }
)";

struct JpegWriter {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  unsigned char* bytes = nullptr;
  unsigned long size = 0;

  JpegWriter() {
    info.err = jpeg_std_error(&errors);
    // The only way to fail is to run out of memory: the bytes go there, and the settings are ours.
    errors.error_exit = [](j_common_ptr) { throw Error(ErrorKind::OutOfMemory, "out of memory while writing a JPEG"); };
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &bytes, &size);
  }
  ~JpegWriter() {
    jpeg_destroy_compress(&info);
    std::free(bytes);
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;
};

std::string cells(const std::vector<std::string>& row, const char* tag) {
  std::string text;
  for (const std::string& cell : row) text += fmt::format("<{0}>{1}</{0}>", tag, cell);
  return "<tr>" + text + "</tr>\n";
}

}  // namespace

std::string base64(std::span<const uint8_t> bytes) {
  constexpr const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](size_t at) { return at < bytes.size() ? uint32_t{bytes[at]} : 0; };
    const uint32_t three = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (size_t digit = 0; digit < 4; ++digit)
      text += i + digit <= bytes.size() ? digits[three >> (18 - 6 * digit) & 63] : '=';
  }
  return text;
}

std::vector<uint8_t> encode_jpeg(const Image& image, int quality) {
  JpegWriter writer;
  writer.info.image_width = image.width;
  writer.info.image_height = image.height;
  writer.info.input_components = 3;
  writer.info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&writer.info);
  jpeg_set_quality(&writer.info, quality, TRUE);
  jpeg_start_compress(&writer.info, TRUE);
  const std::string_view mark = kMark;
  jpeg_write_marker(&writer.info, JPEG_COM, reinterpret_cast<const JOCTET*>(mark.data()),
                    static_cast<unsigned int>(mark.size()));
  while (writer.info.next_scanline < writer.info.image_height) {
    auto* row = const_cast<JSAMPROW>(&image.rgb[size_t{3} * image.width * writer.info.next_scanline]);
    jpeg_write_scanlines(&writer.info, &row, 1);
  }
  jpeg_finish_compress(&writer.info);
  return {writer.bytes, writer.bytes + writer.size};
}

std::string html_image(std::span<const uint8_t> jpeg, const std::string& description) {
  return fmt::format("<img alt=\"{}\" src=\"data:image/jpeg;base64,{}\">", xml_escaped(description), base64(jpeg));
}

std::string html_drawing(const Drawing& drawing) {
  std::string svg = drawing_svg(drawing);
  const std::string name = " xmlns=\"http://www.w3.org/2000/svg\"";
  svg.erase(svg.find(name), name.size());
  return "<div class=\"wide\">" + svg + "</div>\n";
}

std::string html_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows) {
  std::string text = "<div class=\"wide\"><table><thead>" + cells(header, "th") + "</thead><tbody>\n";
  for (const auto& row : rows) text += cells(row, "td");
  return text + "</tbody></table></div>\n";
}

std::string html_page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!DOCTYPE html>\n<!-- {} -->\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width\">\n<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
      kMark, xml_escaped(title), style, body);
}

}  // namespace fovea
