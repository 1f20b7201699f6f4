#include "tools/image/image_size.h"

#include <zlib.h>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"
#include "tools/cli/process_memory.h"
#include "tools/image/image_file.h"
#include "tools/text/file.h"

using namespace fovea;
using namespace fovea::test;

TEST_CASE("an image's size comes from the head of its file, upright, as the decoder gives it", "[images]") {
  for (const char* name : {"baseline_rgb.jpg", "exif_orientation6.jpg", "exif_orientation3.jpg", "png_named.jpg",
                           "jpeg_named.png", "cmyk.jpg", "progressive.jpg", "grey_16bit.png", "bilevel_1bit.png",
                           "panorama_4000x40.jpg", "one_pixel.png", "trailing_garbage.jpg"}) {
    CAPTURE(name);
    const auto path = test_data(std::string("hard_cases/") + name);
    const Image image = read_image(path);
    const ImageSize size = read_image_size(path);
    CHECK((size.width == image.width && size.height == image.height));
  }
  for (const char* name : {"zero_byte.jpg", "text_file.jpg", "truncated_header_200bytes.jpg", "absent.jpg"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(read_image_size(test_data(std::string("hard_cases/") + name)), Error);
  }
}

TEST_CASE("an image's size is read from its head, upright, as decoding gives it", "[images]") {
  int files = 0;
  for (const char* folder : {"image_formats", "hard_cases"})
    for (const auto& entry : std::filesystem::directory_iterator(test_data(folder))) {
      if (!has_image_ending(entry.path())) continue;
      CAPTURE(entry.path().string());
      try {
        const DecodedImage decoded = read_image_file(entry.path(), {.keep_damaged = true});
        const ImageSize size = read_image_size(entry.path());
        CHECK(size.width == decoded.full_width);
        CHECK(size.height == decoded.full_height);
        ++files;
      } catch (const Error&) {
        CHECK_THROWS_AS(read_image_size(entry.path()), Error);
      }
    }
  CHECK(files > 35);
}

namespace {

using Bytes = std::vector<uint8_t>;

void add_big_endian(Bytes& bytes, uint64_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<uint8_t>(value >> shift));
}

Bytes png_chunk(const std::string& type, const Bytes& data) {
  Bytes chunk;
  add_big_endian(chunk, data.size());
  chunk.insert(chunk.end(), type.begin(), type.end());
  chunk.insert(chunk.end(), data.begin(), data.end());
  add_big_endian(chunk, crc32(0, &chunk[4], static_cast<uInt>(chunk.size() - 4)));
  return chunk;
}

// Of the orientation 6, a quarter turn; 1 is upright.
Bytes exif_chunk(uint8_t orientation) {
  return png_chunk("eXIf", {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0});
}

// A PNG of 300 x 200 pixels, as noisy as says how many of its 180 kB there are; `inserted` before the byte `at` of it,
// counted from the end where that is negative.
Bytes png_with(bool noisy, const Bytes& inserted, std::ptrdiff_t at) {
  const TemporaryFolder folder;
  Image image{300, 200, Bytes(size_t{3} * 300 * 200)};
  uint32_t state = 1;
  for (uint8_t& value : image.rgb)
    value = noisy ? static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24) : 9;
  write_png(folder.path() / "a.png", image);
  Bytes png = read_file(folder.path() / "a.png");
  png.insert((at < 0 ? png.end() : png.begin()) + at, inserted.begin(), inserted.end());
  return png;
}

}  // namespace

TEST_CASE("fault: the size of a PNG whose orientation stands behind the pixels is that of the decoded image",
          "[images][fault]") {
  constexpr std::ptrdiff_t after_header = 33, before_end = -12;
  const TemporaryFolder folder;
  const auto path = folder.path() / "a.png";
  const auto size_of = [&](const Bytes& png) {
    write_file(path, png);
    const ImageSize size = read_image_size(path);
    return std::array{size.width, size.height};
  };
  for (const bool noisy : {false, true}) {  // shorter and longer than the head that is read
    for (const std::ptrdiff_t at : {after_header, before_end})
      for (const uint8_t orientation : {1, 6}) {
        CAPTURE(noisy, at, int{orientation});
        const auto size = size_of(png_with(noisy, exif_chunk(orientation), at));
        const Image image = read_image(path);
        CHECK(size == std::array{image.width, image.height});
        CHECK(size == (orientation == 6 ? std::array{200, 300} : std::array{300, 200}));
      }
    Bytes wrong = exif_chunk(6);
    wrong.back() ^= 1;  // its checksum: the decoder leaves it out
    CHECK(size_of(png_with(noisy, wrong, before_end)) == std::array{300, 200});
    Bytes both = png_with(noisy, exif_chunk(6), before_end);
    const Bytes first = exif_chunk(1);
    both.insert(both.begin() + after_header, first.begin(), first.end());
    const auto size = size_of(both);  // the first one holds
    CHECK(size == std::array{read_image(path).width, read_image(path).height});

    const Bytes whole = png_with(noisy, exif_chunk(6), before_end);
    for (size_t cut = 0; cut < 12 + exif_chunk(6).size(); ++cut) {  // a file that is cut short says what it still can
      CAPTURE(cut);
      CHECK(size_of({whole.begin(), whole.end() - static_cast<std::ptrdiff_t>(cut)}) ==
            (cut <= 12 ? std::array{200, 300} : std::array{300, 200}));
    }
    Bytes endless = whole;
    std::fill_n(endless.end() - 12 - static_cast<std::ptrdiff_t>(exif_chunk(6).size()), 4, uint8_t{0xFF});
    const size_t before = peak_rss();
    CHECK(size_of(endless) == std::array{300, 200});
    CHECK(peak_rss() - before < size_t{50} << 20);  // not the 4 GB that it says
  }
}
