#include "tools/image/image_file.h"
#include "engine/printable.h"
#include "kernels/hash.h"

#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/pixels_of.h"
#include "tests/support/refusal.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"
#include "tools/text/file.h"

using namespace fovea;
using namespace fovea::test;
using fovea::test::test_data;

namespace {

Image hard_case(const std::string& name) { return read_image(test_data("hard_cases/" + name)); }
std::vector<uint8_t> bytes_of(const std::string& name) { return read_file(test_data("hard_cases/" + name)); }

double mean_difference(const Image& a, const Image& b) {
  REQUIRE(a.width == b.width);
  REQUIRE(a.height == b.height);
  double sum = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(int{a.rgb[i]} - int{b.rgb[i]});
  return sum / static_cast<double>(a.rgb.size());
}

std::string message_of(const std::function<void()>& action) { return refusal_of(action); }

// A TIFF header with one entry, the orientation, in either byte order.
std::vector<uint8_t> exif(int orientation, bool big_endian) {
  const auto value = static_cast<uint8_t>(orientation);
  if (big_endian) return {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, value, 0, 0, 0, 0, 0, 0};
  return {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, value, 0, 0, 0, 0, 0, 0, 0};
}

std::vector<uint8_t> with_exif(std::vector<uint8_t> jpeg, const std::vector<uint8_t>& tiff) {
  std::vector<uint8_t> segment = {0xFF, 0xE1, 0, static_cast<uint8_t>(tiff.size() + 8), 'E', 'x', 'i', 'f', 0, 0};
  segment.insert(segment.end(), tiff.begin(), tiff.end());
  jpeg.insert(jpeg.begin() + 2, segment.begin(), segment.end());
  return jpeg;
}

// The Exif standard names, for each orientation, the visual side on which the stored row 0 and column 0 lie.
Image shown(const Image& stored, const std::string& row0, const std::string& column0) {
  const bool exchange = row0 == "left" || row0 == "right";
  Image out{exchange ? stored.height : stored.width, exchange ? stored.width : stored.height, {}};
  out.rgb.resize(stored.rgb.size());
  for (int row = 0; row < stored.height; ++row) {
    for (int column = 0; column < stored.width; ++column) {
      int x = -1, y = -1;
      const auto lies = [&](int distance, const std::string& side) {
        if (side == "left") x = distance;
        if (side == "right") x = out.width - 1 - distance;
        if (side == "top") y = distance;
        if (side == "bottom") y = out.height - 1 - distance;
      };
      lies(row, row0);
      lies(column, column0);
      for (int c = 0; c < 3; ++c)
        out.rgb[(y * out.width + x) * 3 + c] = stored.rgb[(row * stored.width + column) * 3 + c];
    }
  }
  return out;
}

}  // namespace

TEST_CASE("every readable hard case decodes to the pixels that another reader gives", "[images]") {
  struct Case {
    const char* name;
    int width, height;
    uint64_t hash;  // of Pillow's pixels after exif_transpose, over white; of the high bytes for grey_16bit
  };
  const auto c = GENERATE(values<Case>({
      {"baseline_rgb.jpg", 378, 504, 0x6a155bc6a998343b},
      {"trailing_garbage.jpg", 378, 504, 0x6a155bc6a998343b},
      {"UPPER CASE and space.JPG", 378, 504, 0x6a155bc6a998343b},
      {"jpeg_named.png", 378, 504, 0x6a155bc6a998343b},
      {"progressive.jpg", 378, 504, 0x6a155bc6a998343b},
      {"subsampling_422.jpg", 378, 504, 0x133ab1554d274fbe},
      {"subsampling_444.jpg", 378, 504, 0xb81304d3269e0d9},
      {"greyscale.jpg", 378, 504, 0xb916fd6e9f53f8d1},
      {"cmyk.jpg", 378, 504, 0x7402144fb569763e},
      {"exif_orientation3.jpg", 378, 504, 0x2bab9f67a540e170},
      {"exif_orientation6.jpg", 378, 504, 0x837db8cda6325b73},
      {"one_pixel.jpg", 1, 1, 0x7863321956f86c4b},
      {"one_pixel.png", 1, 1, 0x78632f1956f86732},
      {"panorama_4000x40.jpg", 4000, 40, 0x8abaf7913b360a31},
      {"tall_40x4000.jpg", 40, 4000, 0x3cfaf351b0144b6d},
      {"png_named.jpg", 189, 252, 0xb636982dfd866628},
      {"alpha_rgba.png", 189, 252, 0xa8b51d2b32727167},
      {"palette_8bit.png", 189, 252, 0x6b684ded91473949},
      {"grey_8bit.png", 189, 252, 0x31b34168b6f0dc74},
      {"bilevel_1bit.png", 189, 252, 0x4a4dda1583cf98d1},
      {"rgb_16bit.png", 126, 168, 0xbec0bd9531bfea03},
      {"grey_16bit.png", 126, 168, 0xe901f1118da22e04},
  }));
  CAPTURE(c.name);
  const Image image = hard_case(c.name);
  CHECK(image.width == c.width);
  CHECK(image.height == c.height);
  CHECK(fnv1a(image.rgb.data(), image.rgb.size()) == c.hash);
}

TEST_CASE("color formats of one photograph look like it", "[images]") {
  const Image reference = hard_case("baseline_rgb.jpg");
  CHECK(mean_difference(reference, hard_case("cmyk.jpg")) < 4);
  CHECK(mean_difference(reference, hard_case("exif_orientation3.jpg")) < 4);
  CHECK(mean_difference(reference, hard_case("exif_orientation6.jpg")) < 4);
  CHECK(mean_difference(hard_case("png_named.jpg"), hard_case("palette_8bit.png")) < 10);
}

TEST_CASE("an Exif orientation turns the picture as the standard says", "[images]") {
  struct Case {
    int orientation;
    const char *row0, *column0;
  };
  const auto c = GENERATE(values<Case>({{1, "top", "left"},
                                        {2, "top", "right"},
                                        {3, "bottom", "right"},
                                        {4, "bottom", "left"},
                                        {5, "left", "top"},
                                        {6, "right", "top"},
                                        {7, "right", "bottom"},
                                        {8, "left", "bottom"}}));
  const bool big_endian = GENERATE(false, true);
  CAPTURE(c.orientation, big_endian);
  const auto jpeg = bytes_of("baseline_rgb.jpg");
  const Image turned = decode_image(with_exif(jpeg, exif(c.orientation, big_endian)), "turned.jpg");
  const Image expected = shown(decode_image(jpeg, "stored.jpg"), c.row0, c.column0);
  CHECK(turned.width == expected.width);
  CHECK(turned.rgb == expected.rgb);
}

TEST_CASE("fault: a broken Exif block is ignored", "[images][fault]") {
  const auto jpeg = bytes_of("baseline_rgb.jpg");
  const Image plain = decode_image(jpeg, "plain.jpg");
  auto far_directory = exif(6, false);
  far_directory[4] = 0xFF;
  for (int cut : {1, 8, 10, 14, 19}) {
    auto tiff = exif(6, false);
    tiff.resize(cut);
    CHECK(decode_image(with_exif(jpeg, tiff), "cut.jpg").rgb == plain.rgb);
  }
  CHECK(decode_image(with_exif(jpeg, far_directory), "far.jpg").rgb == plain.rgb);
  CHECK(decode_image(with_exif(jpeg, exif(9, false)), "nine.jpg").rgb == plain.rgb);
}

TEST_CASE("bytes between the scan and the end marker do no harm to a JPEG", "[images]") {
  auto jpeg = bytes_of("baseline_rgb.jpg");
  const Image plain = decode_image(jpeg, "plain.jpg");
  jpeg.insert(jpeg.end() - 2, {1, 2, 3, 4});
  CHECK(decode_image(jpeg, "extra.jpg").rgb == plain.rgb);
}

TEST_CASE("fault: unreadable images are refused, saying which and why", "[images][fault]") {
  const auto message = [](const std::string& name) { return message_of([&] { hard_case(name); }); };
  CHECK_THAT(message("zero_byte.jpg"), Catch::Contains("zero_byte.jpg: is empty (0 bytes)"));
  CHECK_THAT(message("text_file.jpg"),
             Catch::Contains("text_file.jpg: is not a JPEG, PNG, WebP, BMP or TIFF image: it begins with"));
  CHECK_THAT(message("truncated_60pct.jpg"),
             Catch::Contains("truncated_60pct.jpg: damaged or truncated JPEG: Premature end"));
  CHECK_THAT(message("truncated_header_200bytes.jpg"), Catch::Contains("damaged or truncated JPEG"));
  CHECK_THAT(message("nowhere.jpg"), Catch::Contains("nowhere.jpg: no such file"));
  CHECK_THAT(message("."), Catch::Contains("is not a regular file"));
  CHECK_THAT(message_of([] { decode_image(std::vector<uint8_t>{'G', 'I', 'F', '8'}, "a.jpg"); }),
             Catch::Contains("looks like GIF"));
}

TEST_CASE("fault: an image cut at any byte is refused", "[images][fault]") {
  const std::string name = GENERATE("one_pixel.png", "one_pixel.jpg");
  const auto whole = bytes_of(name);
  for (size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(name, size);
    CHECK_THROWS_AS(decode_image(std::span(whole).first(size), name), Error);
  }
}

TEST_CASE("fault: a flipped bit never crashes the decoders", "[images][fault]") {
  const std::string name = GENERATE("one_pixel.png", "one_pixel.jpg", "bilevel_1bit.png");
  const auto whole = bytes_of(name);
  int refused = 0;
  for (size_t bit = 0; bit < whole.size() * 8; bit += 1 + whole.size() / 256) {
    auto damaged = whole;
    damaged[bit / 8] ^= 1 << (bit % 8);
    try {
      const Image image = decode_image(damaged, name, {.pixels = 1'000'000});
      CHECK(image.rgb.size() == size_t{3} * image.width * image.height);
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::Data);
      ++refused;
    }
  }
  CHECK(refused > 0);
}

TEST_CASE("fault: the pixel limit is checked on the header before memory is taken", "[images][fault]") {
  auto jpeg = bytes_of("baseline_rgb.jpg");
  const std::vector<uint8_t> size = {504 >> 8, 504 & 255, 378 >> 8, 378 & 255};
  const auto at = std::search(jpeg.begin(), jpeg.end(), size.begin(), size.end());
  REQUIRE(at != jpeg.end());
  std::fill_n(at, 4, 0xFF);
  *(at + 1) = *(at + 3) = 0xDC;  // 65500 × 65500
  CHECK_THAT(message_of([&] { decode_image(jpeg, "huge.jpg"); }),
             Catch::Contains("huge.jpg: 65500×65500 pixels are more than the limit of 100000000"));
  CHECK_THAT(message_of([] { read_image(test_data("hard_cases/grey_8bit.png"), {.pixels = 189 * 252 - 1}); }),
             Catch::Contains("189×252"));
  CHECK_NOTHROW(read_image(test_data("hard_cases/grey_8bit.png"), {.pixels = 189 * 252}));
}

TEST_CASE("a JPEG is decoded at an eighth to a half of its size, its own size rounded up", "[images]") {
  const std::string name = GENERATE("baseline_rgb.jpg", "greyscale.jpg", "cmyk.jpg", "progressive.jpg",
                                    "panorama_4000x40.jpg", "one_pixel.jpg");
  const int divisor = GENERATE(2, 4, 8);
  CAPTURE(name, divisor);
  const auto path = test_data("hard_cases/" + name);
  const Image full = read_image(path);
  const DecodedImage small = read_image_file(path, {.jpeg_divisor = [&](int, int) { return divisor; }});
  CHECK(small.full_width == full.width);
  CHECK(small.full_height == full.height);
  CHECK(small.divisor == divisor);
  REQUIRE(small.image.width == (full.width + divisor - 1) / divisor);
  REQUIRE(small.image.height == (full.height + divisor - 1) / divisor);
  // Each pixel is about the mean of those that it stands for. Exactly so only without chroma subsampling and clipping.
  double sum = 0;
  int64_t count = 0;
  for (int y = 0; y < full.height / divisor; ++y)
    for (int x = 0; x < full.width / divisor; ++x)
      for (int c = 0; c < 3; ++c) {
        int mean = 0;
        for (int i = 0; i < divisor * divisor; ++i)
          mean += full.rgb[((y * divisor + i / divisor) * full.width + x * divisor + i % divisor) * 3 + c];
        sum += std::abs(small.image.rgb[(y * small.image.width + x) * 3 + c] - mean / double(divisor * divisor));
        ++count;
      }
  if (count > 0) CHECK(sum / static_cast<double>(count) < 4);
  CHECK_THROWS_AS(read_image_file(path, {.pixels = int64_t{full.width} * full.height - 1,
                                         .jpeg_divisor = [&](int, int) { return divisor; }}),
                  Error);
}

TEST_CASE("a turned JPEG is decoded smaller only where no pixel reaches beyond its edge", "[images]") {
  const auto divisor = [](const std::string& name, int asked) {
    return read_image_file(test_data("hard_cases/" + name), {.jpeg_divisor = [&](int, int) { return asked; }}).divisor;
  };
  CHECK(divisor("exif_orientation6.jpg", 8) == 2);  // 378 × 504
  CHECK(divisor("exif_orientation3.jpg", 2) == 2);
  CHECK(divisor("baseline_rgb.jpg", 8) == 8);
}

TEST_CASE("a written PNG reads back the same", "[images]") {
  const test::TemporaryFolder folder;
  const Image image = hard_case("baseline_rgb.jpg");
  write_png(folder.path() / "copy.png", image);
  CHECK(read_image(folder.path() / "copy.png").rgb == image.rgb);
  CHECK_THROWS_AS(write_png(folder.path() / "missing" / "copy.png", image), Error);
  CHECK_THROWS_AS(write_png("/dev/full", image), Error);
  CHECK_THROWS_AS(write_jpeg("/dev/full", image, 90), Error);
}

TEST_CASE("a written JPEG looks the same, and a file that cannot be written whole is not there", "[images][fault]") {
  const test::TemporaryFolder folder;
  const Image image = hard_case("baseline_rgb.jpg");
  const std::filesystem::path copy = folder.path() / "copy.jpg";
  write_jpeg(copy, image, 95, "a comment");
  const Image read = read_image(copy);
  REQUIRE(read.rgb.size() == image.rgb.size());
  double difference = 0;
  for (size_t i = 0; i < read.rgb.size(); ++i) difference += std::abs(read.rgb[i] - image.rgb[i]);
  CHECK(difference / static_cast<double>(read.rgb.size()) < 3);
  const auto written = read_file(copy);
  CHECK(std::string(written.begin(), written.begin() + 100).find("a comment") != std::string::npos);
  CHECK_THROWS_AS(write_jpeg(copy, {70000, 1, std::vector<uint8_t>(210000)}, 90), Error);
  CHECK_THROWS_AS(write_jpeg(folder.path() / "none" / "copy.jpg", image, 90), Error);
  {
    NewFile file(copy);
    file.write(written);
  }
  CHECK(read_file(copy) == written);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}

TEST_CASE("names are printed on one line with odd bytes escaped", "[images]") {
  CHECK(printable("plain Ärger ☃.jpg") == "plain Ärger ☃.jpg");
  CHECK(printable("a\nb\x1b[31m\\") == "a\\x0ab\\x1b[31m\\x5c");
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");
  CHECK(printable("\xc2\x9b"
                  "1m") == "\\xc2\\x9b1m");
  CHECK(printable("\xed\xa0\x80\xc0\xaf") == "\\xed\\xa0\\x80\\xc0\\xaf");
  CHECK(find_invalid_utf8("gr\xc3\xbc\xdf") == 4);
  CHECK(find_invalid_utf8("grün 😀") == std::string_view::npos);
}
