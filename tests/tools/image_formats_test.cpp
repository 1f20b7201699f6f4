#include <tiffio.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "kernels/error.h"
#include "kernels/hash.h"
#include "tests/support/catch.h"
#include "tests/support/pixels_of.h"
#include "tests/support/refusal.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"
#include "tools/image/image_file.h"
#include "tools/image/image_size.h"
#include "tools/text/file.h"

using namespace fovea;
using namespace fovea::test;
using fovea::test::test_data;

namespace {

using Bytes = std::vector<uint8_t>;

Bytes bytes_of(const std::string& name) { return read_file(test_data("image_formats/" + name)); }

std::string refusal(const Bytes& bytes, const ImageOptions& options = {}) {
  return refusal_of([&] { decode_image(bytes, "picture", options); });
}

void append(Bytes& bytes, uint64_t value, int count) {
  for (int i = 0; i < count; ++i, value >>= 8) bytes.push_back(static_cast<uint8_t>(value));
}

// A BMP with a header of 40 bytes, or of 56 where there are masks of all four channels.
Bytes bmp(int width, int height, int bits, int compression, const Bytes& between, const Bytes& pixels,
          int header = 40) {
  Bytes out{'B', 'M'};
  const size_t start = 14 + 40 + between.size();
  append(out, start + pixels.size(), 4);
  append(out, 0, 4);
  append(out, start, 4);
  append(out, header, 4);
  append(out, static_cast<uint32_t>(width), 4);
  append(out, static_cast<uint32_t>(height), 4);
  append(out, 1, 2);
  append(out, bits, 2);
  append(out, compression, 4);
  append(out, pixels.size(), 4);
  append(out, 0, 16);
  out.insert(out.end(), between.begin(), between.end());
  out.insert(out.end(), pixels.begin(), pixels.end());
  return out;
}

Bytes four_byte(std::initializer_list<uint32_t> values) {
  Bytes out;
  for (const uint32_t value : values) append(out, value, 4);
  return out;
}

// Any image by libtiff: `samples` [height, width, channels] of 8 or 16 bits, in strips, tiles or planes.
struct TiffForm {
  int channels, bits, photometric;
  int tile = 0, rows_per_strip = 0;
  bool planes = false;
  int extra = -1;  // what the last channel is
};
Bytes made_tiff(const TiffForm& format, int width, int height, const std::vector<uint16_t>& samples) {
  const test::TemporaryFolder folder;
  const std::string path = (folder.path() / "a.tiff").string();
  TIFF* out = TIFFOpen(path.c_str(), "w");
  REQUIRE(out);
  TIFFSetField(out, TIFFTAG_IMAGEWIDTH, width);
  TIFFSetField(out, TIFFTAG_IMAGELENGTH, height);
  TIFFSetField(out, TIFFTAG_SAMPLESPERPIXEL, format.channels);
  TIFFSetField(out, TIFFTAG_BITSPERSAMPLE, format.bits);
  TIFFSetField(out, TIFFTAG_PHOTOMETRIC, format.photometric);
  TIFFSetField(out, TIFFTAG_PLANARCONFIG, format.planes ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
  if (format.extra >= 0) {
    const uint16_t kind[] = {static_cast<uint16_t>(format.extra)};
    TIFFSetField(out, TIFFTAG_EXTRASAMPLES, 1, kind);
  }
  if (format.tile > 0) {
    TIFFSetField(out, TIFFTAG_TILEWIDTH, format.tile);
    TIFFSetField(out, TIFFTAG_TILELENGTH, format.tile);
  } else {
    TIFFSetField(out, TIFFTAG_ROWSPERSTRIP, format.rows_per_strip);
  }
  const auto area = [&](int x, int y, int w, int h, int channel) {  // -1: all
    Bytes bytes;
    for (int row = y; row < y + h; ++row)
      for (int column = x; column < x + w; ++column)
        for (int c = 0; c < format.channels; ++c)
          if (channel < 0 || channel == c)
            append(bytes, row < height && column < width ? samples[(row * width + column) * format.channels + c] : 0,
                   format.bits / 8);
    return bytes;
  };
  for (int channel = format.planes ? 0 : -1; channel < (format.planes ? format.channels : 0); ++channel) {
    if (format.tile > 0) {
      for (int y = 0; y < height; y += format.tile)
        for (int x = 0; x < width; x += format.tile) {
          Bytes bytes = area(x, y, format.tile, format.tile, channel);
          REQUIRE(TIFFWriteTile(out, bytes.data(), x, y, 0, std::max(channel, 0)) > 0);
        }
    } else {
      for (int y = 0; y < height; ++y) {
        Bytes bytes = area(0, y, width, 1, channel);
        REQUIRE(TIFFWriteScanline(out, bytes.data(), y, std::max(channel, 0)) > 0);
      }
    }
  }
  TIFFClose(out);
  return read_file(path);
}

}  // namespace

TEST_CASE("WebP, BMP, TIFF and PNG of every color format decode to the pixels that another reader gives", "[images]") {
  struct Case {
    const char* name;
    int width, height;
    uint64_t hash;  // of Pillow's pixels: tests/data/image_formats/make.py
  };
  const auto c = GENERATE(values<Case>({
      {"alpha.bmp", 47, 63, 0xa4e49e4c0a8ceab7},
      {"alpha.tiff", 47, 63, 0xb54dd0d919304b07},
      {"alpha.webp", 47, 63, 0xa916256105864554},
      {"alpha_16bit.png", 47, 63, 0xaa33d8f9f73f3d2b},
      {"alpha_gamma.png", 47, 63, 0xb54dd0d919304b07},
      {"alpha_lossless.webp", 47, 63, 0xb54dd0d919304b07},
      {"bilevel.bmp", 47, 63, 0xe666b44af8bbe6dd},
      {"bilevel_group4.tiff", 47, 63, 0xe666b44af8bbe6dd},
      {"exif_orientation6.tiff", 63, 47, 0x3570806384bce543},
      {"exif_orientation6.webp", 63, 47, 0xe1aa16e3bbbbb36e},
      {"grey.bmp", 47, 63, 0xc6c6fe44bc8db5cb},
      {"grey.tiff", 47, 63, 0xc6c6fe44bc8db5cb},
      {"grey_16bit.tiff", 47, 63, 0xc6c6fe44bc8db5cb},
      {"grey_alpha.png", 47, 63, 0xb5206e82a3feae10},
      {"jpeg.tiff", 47, 63, 0x74d7ad148a58e468},
      {"lossless.webp", 47, 63, 0xa4e49e4c0a8ceab7},
      {"lossy.webp", 47, 63, 0x65e503e7eb9313aa},
      {"palette.bmp", 47, 63, 0xdf18ede1e5b0bfea},
      {"palette.tiff", 47, 63, 0xdf18ede1e5b0bfea},
      {"palette_see_through.png", 47, 63, 0xc6f05022dff1c46},
      {"rgb.bmp", 47, 63, 0xa4e49e4c0a8ceab7},
      {"rgb_deflate.tiff", 47, 63, 0xa4e49e4c0a8ceab7},
      {"rgb_lzw.tiff", 47, 63, 0xa4e49e4c0a8ceab7},
      {"rgb_raw.tiff", 47, 63, 0xa4e49e4c0a8ceab7},
      {"cmyk.tiff", 47, 63, 0xa4e49e4c0a8ceab7},
      {"strips.tiff", 47, 63, 0xa4e49e4c0a8ceab7},
      {"two_pages.tiff", 47, 63, 0xa4e49e4c0a8ceab7},
  }));
  CAPTURE(c.name);
  const Image image = decode_image(bytes_of(c.name), c.name);
  CHECK(image.width == c.width);
  CHECK(image.height == c.height);
  CHECK(fnv1a(image.rgb.data(), image.rgb.size()) == c.hash);
}

TEST_CASE("16-bit TIFF, tiles and planes are read to the nearest of 256 steps", "[images]") {
  constexpr int kWidth = 19, kHeight = 37;
  const auto format = GENERATE(values<TiffForm>({{1, 16, PHOTOMETRIC_MINISBLACK, 0, 5},
                                                 {1, 8, PHOTOMETRIC_MINISWHITE, 0, 5},
                                                 {3, 16, PHOTOMETRIC_RGB, 0, 37},
                                                 {3, 16, PHOTOMETRIC_RGB, 0, 4, true},
                                                 {3, 8, PHOTOMETRIC_RGB, 16, 0},
                                                 {3, 16, PHOTOMETRIC_RGB, 16, 0, true},
                                                 {4, 8, PHOTOMETRIC_RGB, 16, 0, false, EXTRASAMPLE_UNSPECIFIED},
                                                 {4, 8, PHOTOMETRIC_SEPARATED, 16, 0}}));
  CAPTURE(format.channels, format.bits, format.photometric, format.tile, format.planes);
  std::vector<uint16_t> samples(size_t{kWidth} * kHeight * format.channels);
  uint32_t state = 1;
  for (uint16_t& sample : samples) sample = (state = state * 1664525 + 1013904223) >> (32 - format.bits);
  const Image image = decode_image(made_tiff(format, kWidth, kHeight, samples), "made.tiff");
  REQUIRE(image.width == kWidth);
  REQUIRE(image.height == kHeight);
  for (size_t i = 0; i < size_t{kWidth} * kHeight; ++i)
    for (size_t c = 0; c < 3; ++c) {
      const double unit = format.bits == 16 ? 257 : 1;
      const auto channel = [&](size_t n) { return samples[i * format.channels + n] / unit; };
      double expected = channel(format.channels == 1 ? 0 : c);
      if (format.photometric == PHOTOMETRIC_MINISWHITE) expected = 255 - expected;
      if (format.photometric == PHOTOMETRIC_SEPARATED) expected = (255 - expected) * (255 - channel(3)) / 255;
      // A gray TIFF of 16 bits keeps its high byte, as does a CMYK product: up to one step less than the nearest.
      CHECK(std::abs(image.rgb[3 * i + c] - expected) <= 1.0);
    }
}

TEST_CASE("BMP of 16 and 32 bits, upside down and by run lengths", "[images]") {
  const auto pixels_of = [](const Bytes& file) { return decode_image(file, "made.bmp").rgb; };
  // 555: red, green, blue, white; a row of three pixels is padded to 8 bytes, the lower row is stored first.
  const Bytes pixels16{0xFF, 0x7F, 0x1F, 0, 0xE0, 0x03, 0, 0, 0, 0x7C, 0, 0, 0xFF, 0x7F, 0, 0};
  const Bytes upright{255, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 255, 0, 255, 0};
  CHECK(pixels_of(bmp(3, 2, 16, 0, {}, pixels16)) == upright);
  Bytes flipped(upright.begin() + 9, upright.end());
  flipped.insert(flipped.end(), upright.begin(), upright.begin() + 9);
  CHECK(pixels_of(bmp(3, -2, 16, 0, {}, pixels16)) == flipped);
  // 565 by masks: 17 of 63 is 69 of 255.
  CHECK(pixels_of(bmp(1, 1, 16, 3, four_byte({0xF800, 0x7E0, 0x1F}), {17 << 5 & 255, 17 >> 3, 0, 0})) ==
        Bytes{0, 69, 0});
  // 32 bits with alpha, in a header of 56 bytes: half of red over white; and alpha 0 everywhere means none.
  const Bytes masks = four_byte({0xFF0000, 0xFF00, 0xFF, 0xFF000000});
  CHECK(pixels_of(bmp(1, 1, 32, 3, masks, {0, 0, 255, 128}, 56)) == Bytes{255, 127, 127});
  CHECK(pixels_of(bmp(1, 1, 32, 3, masks, {10, 20, 30, 0}, 56)) == Bytes{30, 20, 10});
  // Run lengths: colors 1 = (1, 2, 3) and 2 = (4, 5, 6) of four.
  Bytes palette = four_byte({0, 0x00010203, 0x00040506, 0});
  palette.resize(4 * 256);
  const Bytes a{1, 2, 3}, b{4, 5, 6}, zero{0, 0, 0};
  const auto joined = [](std::initializer_list<Bytes> parts) {
    Bytes out;
    for (const Bytes& part : parts) out.insert(out.end(), part.begin(), part.end());
    return out;
  };
  // The lower row: two of color 1, one of 2. Above: literal 2, 1, 2 and a byte of padding.
  CHECK(pixels_of(bmp(3, 2, 8, 1, palette, {2, 1, 1, 2, 0, 0, 0, 3, 2, 1, 2, 0, 0, 0, 0, 1})) ==
        joined({b, a, b, a, a, b}));
  CHECK(pixels_of(bmp(3, 2, 8, 1, palette, {0, 2, 1, 1, 1, 2, 0, 1})) == joined({zero, b, zero, zero, zero, zero}));
  palette.resize(4 * 16);
  CHECK(pixels_of(bmp(3, 2, 4, 2, palette, {3, 0x12, 0, 0, 0, 3, 0x21, 0x20, 0, 1})) == joined({b, a, b, a, b, a}));
}

TEST_CASE("fault: what a BMP may not be is refused, and says why", "[images][fault]") {
  const auto says = [](const Bytes& file, const char* why) { CHECK_THAT(refusal(file), Catch::Contains(why)); };
  const Bytes palette(4 * 256), row(64);
  says(bmp(4, 1, 8, 4, palette, row), "BMP files with embedded JPEG data are not supported; save the image as .jpg");
  says(bmp(4, 1, 7, 0, palette, row), "7 bits per pixel");
  says(bmp(4, 1, 8, 1, palette, {5, 1, 0, 1}), "a run extends beyond the image");
  says(bmp(4, 1, 8, 1, palette, {4, 1}), "the file ends inside the pixels");
  says(bmp(4, -1, 8, 1, palette, {4, 1, 0, 1}), "is not a BMP format");
  says(bmp(4, 1, 32, 3, four_byte({0xFF00FF, 0xFF00, 0xFF}), row), "a bit mask has a gap");
  says(bmp(0, 1, 24, 0, {}, row), "has no pixels");
  says(bmp(65500, 65500, 24, 0, {}, row), "65500×65500 pixels are more than the limit of 100000000");
  says(bmp(4, INT32_MIN, 24, 0, {}, row), "more than the limit");
  says(bmp(4, 2, 24, 0, {}, Bytes(13)), "the file ends after row 1 of 2");
  auto few = bmp(4, 1, 8, 0, palette, {0, 1, 2, 3});
  few[46] = 3;  // colors in the palette
  says(few, "a pixel of color 3 in a palette of 3");
}

TEST_CASE("fault: TIFF samples that are floats or of 32 bits are refused by name, not as damage", "[images][fault]") {
  for (const bool floats : {true, false}) {
    const TemporaryFolder folder;
    const std::string path = (folder.path() / "a.tiff").string();
    TIFF* out = TIFFOpen(path.c_str(), "w");
    REQUIRE(out != nullptr);
    const std::array<uint32_t, 2> row{};
    for (const auto& [tag, value] : std::map<uint32_t, int>{{TIFFTAG_IMAGEWIDTH, 2},
                                                            {TIFFTAG_IMAGELENGTH, 1},
                                                            {TIFFTAG_SAMPLESPERPIXEL, 1},
                                                            {TIFFTAG_BITSPERSAMPLE, 32},
                                                            {TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK}})
      TIFFSetField(out, tag, value);
    TIFFSetField(out, TIFFTAG_SAMPLEFORMAT, floats ? SAMPLEFORMAT_IEEEFP : SAMPLEFORMAT_UINT);
    REQUIRE(TIFFWriteScanline(out, const_cast<uint32_t*>(row.data()), 0, 0) > 0);
    TIFFClose(out);
    const std::string kind = floats ? "32-bit float" : "32-bit integer";
    CHECK_THAT(refusal(read_file(path)), Catch::Contains("is a TIFF with " + kind + " samples"));
  }
}

TEST_CASE("fault: formats and formats that are not read are refused by name", "[images][fault]") {
  const auto head = [](std::string text) {
    text.resize(32, ' ');
    return refusal(Bytes(text.begin(), text.end()));
  };
  CHECK_THAT(head("GIF89a"), Catch::Contains("is not a JPEG, PNG, WebP, BMP or TIFF image: it looks like GIF"));
  CHECK_THAT(head(std::string("\0\0\0\x18", 4) + "ftypheic"), Catch::Contains("looks like HEIC"));
  CHECK_THAT(head(std::string("\0\0\0\x18", 4) + "ftypavif"), Catch::Contains("looks like AVIF"));
  CHECK_THAT(head(std::string("\0\0\0\x18", 4) + "ftypmif1"), Catch::Contains("HEIC: convert it to JPEG or PNG"));
  CHECK_THAT(head(std::string("\0\0\0\x18", 4) + "ftypisom"), Catch::Contains("looks like a video"));
  CHECK_THAT(head("version https://git-lfs.github.com/spec/v1"), Catch::Contains("run git lfs pull"));
  CHECK_THAT(head("%PDF-1.7"), Catch::Contains("looks like PDF"));
  CHECK_THAT(refusal(bytes_of("animated.webp")), Catch::Contains("animated WebP files are not supported"));
  auto jpeg = read_file(test_data("hard_cases/baseline_rgb.jpg"));
  const Bytes frame{0xFF, 0xC0, 0, 17, 8};
  const auto at = std::search(jpeg.begin(), jpeg.end(), frame.begin(), frame.end());
  REQUIRE(at != jpeg.end());
  at[4] = 12;
  CHECK_THAT(refusal(jpeg), Catch::Contains("JPEG files with 12 bits per sample are not supported"));
}

TEST_CASE("fault: a file that is cut short is refused, or used as far as it goes", "[images][fault]") {
  struct Case {
    const char* name;
    bool bottom_up;
    size_t rows = 63 / 4;  // that must be there
  };
  const auto c = GENERATE(values<Case>({{"image_formats/alpha_lossless.webp", false},
                                        {"image_formats/lossy.webp", false, 4},
                                        {"image_formats/rgb.bmp", true},
                                        {"image_formats/strips.tiff", false},
                                        {"image_formats/alpha_16bit.png", false},
                                        {"hard_cases/rgb_16bit.png", false},
                                        {"hard_cases/baseline_rgb.jpg", false}}));
  CAPTURE(c.name);
  const auto whole = read_file(test_data(c.name));
  const auto cut = std::span(whole).first(whole.size() * 6 / 10);
  CHECK_THAT(refusal({cut.begin(), cut.end()}), Catch::Contains("damaged or truncated"));
  const Image expected = decode_image(whole, c.name);
  const DecodedImage kept = decode_image_file(cut, c.name, {.keep_damaged = true});
  CHECK_THAT(kept.damage, Catch::Contains("damaged or truncated"));
  REQUIRE(kept.image.rgb.size() == expected.rgb.size());
  const size_t stride = size_t{3} * expected.width, rows = expected.height;
  const auto row_is_whole = [&](size_t y) {
    return std::equal(kept.image.rgb.begin() + y * stride, kept.image.rgb.begin() + (y + 1) * stride,
                      expected.rgb.begin() + y * stride);
  };
  size_t same = 0;
  while (same < rows && row_is_whole(c.bottom_up ? rows - 1 - same : same)) ++same;
  CHECK(same >= c.rows);
  CHECK(same < rows);
  CHECK(decode_image_file(whole, c.name, {.keep_damaged = true}).damage.empty());
  CHECK(decode_image(whole, c.name, {.keep_damaged = true}).rgb == expected.rgb);
}

TEST_CASE("fault: what is no image at all is refused even where damaged ones are kept", "[images][fault]") {
  for (const char* name : {"zero_byte.jpg", "text_file.jpg", "truncated_header_200bytes.jpg"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(read_image(test_data(std::string("hard_cases/") + name), {.keep_damaged = true}), Error);
  }
}

TEST_CASE("fault: a flipped bit or a cut never crashes the decoders of WebP, BMP and TIFF", "[images][fault]") {
  const std::string name = GENERATE("alpha.webp", "lossless.webp", "palette.bmp", "bilevel_group4.tiff", "palette.tiff",
                                    "jpeg.tiff", "alpha.tiff");
  const bool keep = GENERATE(false, true);
  const auto whole = bytes_of(name);
  int refused = 0;
  const auto decode = [&](std::span<const uint8_t> bytes) {
    try {
      const Image image = decode_image(bytes, name, {.pixels = 1'000'000, .keep_damaged = keep});
      CHECK(image.rgb.size() == size_t{3} * image.width * image.height);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::Data);
      ++refused;
    }
  };
  for (size_t bit = 0; bit < whole.size() * 8; bit += 1 + whole.size() / 64) {
    auto damaged = whole;
    damaged[bit / 8] ^= 1 << (bit % 8);
    decode(damaged);
  }
  for (size_t size = 0; size < whole.size(); size += 1 + size / 16) decode(std::span(whole).first(size));
  CHECK(refused > 0);
}

TEST_CASE("fault: the pixel limit holds for every format", "[images][fault]") {
  const std::string name = GENERATE("lossy.webp", "rgb.bmp", "rgb_lzw.tiff", "grey_alpha.png");
  CHECK_THAT(refusal(bytes_of(name), {.pixels = 47 * 63 - 1}), Catch::Contains("picture: 47×63 pixels are more than"));
  CHECK_NOTHROW(decode_image(bytes_of(name), name, {.pixels = 47 * 63}));
}

TEST_CASE("an image's size is read of files that are larger than their head, and beyond the pixel limit", "[images]") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "a";
  const auto size_of = [&](const Bytes& bytes) {
    write_file(path, bytes);
    const ImageSize size = read_image_size(path);
    return std::pair(size.width, size.height);
  };
  CHECK(size_of(bmp(65500, 65500, 24, 0, {}, Bytes(100'000))) == std::pair(65500, 65500));
  const std::vector<uint16_t> samples(size_t{300} * 200);  // its directory stands at the end
  CHECK(size_of(made_tiff({.channels = 1, .bits = 16, .photometric = PHOTOMETRIC_MINISBLACK, .rows_per_strip = 200},
                          300, 200, samples)) == std::pair(300, 200));
  auto jpeg = read_file(test_data("hard_cases/baseline_rgb.jpg"));
  for (int i = 0; i < 2; ++i) {  // comments of 60,000 bytes before the frame
    Bytes comment(60'000);
    std::copy_n(Bytes{0xFF, 0xFE, (60'000 - 2) >> 8, (60'000 - 2) & 255}.begin(), 4, comment.begin());
    jpeg.insert(jpeg.begin() + 2, comment.begin(), comment.end());
  }
  CHECK(size_of(jpeg) == std::pair(378, 504));
  CHECK_THROWS_AS(read_image_size(folder.path() / "missing"), Error);
  CHECK_THROWS_AS(read_image_size(folder.path()), Error);
}
