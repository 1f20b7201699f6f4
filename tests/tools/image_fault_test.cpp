// The rows on images of the table of faults, as a user meets them: the program, its exit code, message and files.
#include <fmt/format.h>
#include <jpeglib.h>

#include "tests/support/catch.h"
#include "tests/support/test_data.h"
#include "tests/support/training_folder.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

struct ListedImage {
  std::string file;
  int width, height;
};

// A dataset of these files, which are copied, with one box each; the validation set is an ordinary photograph.
void make_set(const fs::path& folder, const std::vector<ListedImage>& images, const fs::path& from) {
  for (const std::string split : {"train", "val"}) {
    const auto listed = split == "train" ? images : std::vector<ListedImage>{{"baseline_rgb.jpg", 378, 504}};
    std::string image_list, boxes;
    for (size_t i = 0; i < listed.size(); ++i) {
      const auto& [file, w, h] = listed[i];
      image_list +=
          fmt::format(R"({}{{"id":{},"file_name":"{}","width":{},"height":{}}})", i == 0 ? "" : ",", i + 1, file, w, h);
      boxes += fmt::format(R"({}{{"id":{},"image_id":{},"category_id":1,"bbox":[0,0,{},{}],"iscrowd":0}})",
                           i == 0 ? "" : ",", i + 1, i + 1, w, h);
      fs::create_directories(folder / split);
      if (fs::exists(from / file)) fs::copy_file(from / file, folder / split / file, fs::copy_options::skip_existing);
    }
    write_text(folder / "annotations" / ("instances_" + split + ".json"),
               fmt::format(R"({{"images":[{}],"annotations":[{}],"categories":[{{"id":1,"name":"card"}}]}})",
                           image_list, boxes));
  }
  if (fs::exists(test_data("hard_cases/baseline_rgb.jpg")))
    fs::copy_file(test_data("hard_cases/baseline_rgb.jpg"), folder / "val/baseline_rgb.jpg",
                  fs::copy_options::skip_existing);
}

struct ImageSet : TrainingFolder {
  fs::path out = run("run");
  explicit ImageSet(const std::vector<ListedImage>& images, const fs::path& from = test_data("hard_cases")) {
    make_set(data, images, from);
  }
  ProcessResult train(int steps, const Arguments& more = {}) const {
    const Arguments fixed{"--device", "cpu", "--precision", "fp32", "--set", fmt::format("train.steps={}", steps)};
    return run_fovea(arguments("run", joined(fixed, more)));
  }
  std::string bad_images() const { return read_text(out / "bad_images.txt"); }
};

// The set of 200 photographs with one more.
std::vector<ListedImage> many_and(const ListedImage& one) {
  std::vector<ListedImage> images(200, {"baseline_rgb.jpg", 378, 504});
  images.insert(images.begin() + 100, one);
  return images;
}

}  // namespace

TEST_CASE("fault: every format of image trains, from 1×1 to 100:1, and no file is changed", "[images][fault]") {
  const ImageSet set({{"baseline_rgb.jpg", 378, 504},
                      {"trailing_garbage.jpg", 378, 504},
                      {"png_named.jpg", 189, 252},
                      {"jpeg_named.png", 378, 504},
                      {"UPPER CASE and space.JPG", 378, 504},
                      {"greyscale.jpg", 378, 504},
                      {"cmyk.jpg", 378, 504},
                      {"progressive.jpg", 378, 504},
                      {"subsampling_444.jpg", 378, 504},
                      {"subsampling_422.jpg", 378, 504},
                      {"exif_orientation6.jpg", 378, 504},
                      {"exif_orientation3.jpg", 378, 504},
                      {"alpha_rgba.png", 189, 252},
                      {"palette_8bit.png", 189, 252},
                      {"grey_8bit.png", 189, 252},
                      {"bilevel_1bit.png", 189, 252},
                      {"rgb_16bit.png", 126, 168},
                      {"grey_16bit.png", 126, 168},
                      {"one_pixel.jpg", 1, 1},
                      {"one_pixel.png", 1, 1},
                      {"panorama_4000x40.jpg", 4000, 40},
                      {"tall_40x4000.jpg", 40, 4000}});
  const auto before = contents(set.data);
  const auto result =
      set.train(11, {"--bad-images", "error", "--set", "input.shape_buckets=3", "--set", "input.jpeg_scaling=true"});
  CAPTURE(result.out, result.err);
  CHECK(result.exit_code == 0);
  CHECK_FALSE(fs::exists(set.out / "bad_images.txt"));
  CHECK((contents(set.data) == before));
}

TEST_CASE("fault: WebP, BMP and TIFF train", "[images][fault]") {
  const ImageSet set(
      {{"alpha.webp", 47, 63}, {"palette.bmp", 47, 63}, {"cmyk.tiff", 47, 63}, {"grey_16bit.tiff", 47, 63}},
      test_data("image_formats"));
  const auto result = set.train(2, {"--bad-images", "error"});
  CAPTURE(result.out, result.err);
  CHECK(result.exit_code == 0);
}

TEST_CASE("fault: an unusable image is skipped and listed, or ends the run", "[images][fault]") {
  struct Case {
    ListedImage image;
    const char* why;
  };
  const auto c =
      GENERATE(values<Case>({{{"nowhere.jpg", 9, 9}, "no such file"},
                             {{"zero_byte.jpg", 9, 9}, "is empty (0 bytes)"},
                             {{"text_file.jpg", 9, 9}, "is not a JPEG, PNG, WebP, BMP or TIFF image"},
                             {{"truncated_60pct.jpg", 378, 504}, "damaged or truncated JPEG"},
                             {{"truncated_header_200bytes.jpg", 378, 504}, "damaged or truncated JPEG"},
                             {{"greyscale.jpg", 100, 100}, "the image is 378x504, the annotations say 100x100"}}));
  CAPTURE(c.image.file);
  const ImageSet set(many_and(c.image));
  const Arguments small{"--set", "train.batch=201", "--set", "input.short_side=8", "--set", "input.jpeg_scaling=true"};
  const auto skipped = set.train(1, joined(small, {"--bad-images", "skip"}));
  CAPTURE(skipped.out, skipped.err);
  CHECK(skipped.exit_code == 0);
  CHECK_THAT(set.bad_images(), Contains(c.image.file + "\t") && Contains(c.why));
  fs::remove_all(set.out);
  const auto refused = set.train(1, joined(small, {"--bad-images", "error"}));
  CHECK(refused.exit_code == 3);
  CHECK_THAT(refused.err, Contains(c.image.file) && Contains(c.why) && Contains("--bad-images skip"));
}

TEST_CASE("fault: more than one in a hundred unusable images end the run", "[images][fault]") {
  const ImageSet set({{"baseline_rgb.jpg", 378, 504}, {"zero_byte.jpg", 9, 9}});
  const auto result = set.train(1);
  CHECK(result.exit_code == 3);
  CHECK_THAT(result.err, Contains("1 of 3 images cannot be read, more than 1 %") && Contains("zero_byte.jpg"));
}

TEST_CASE("fault: a damaged image is used as far as it goes where that is asked for", "[images][fault]") {
  const ImageSet set({{"baseline_rgb.jpg", 378, 504}, {"truncated_60pct.jpg", 378, 504}});
  const auto result = set.train(1, {"--bad-images", "keep"});
  CAPTURE(result.out, result.err);
  CHECK(result.exit_code == 0);
  CHECK_THAT(result.err, Contains("1 damaged images were partly used"));
  CHECK_THAT(set.bad_images(), Contains("truncated_60pct.jpg\tpartly used: "));
}

TEST_CASE("fault: an image beyond the pixel limit is refused by its header, and let in by a higher one",
          "[images][fault]") {
  const TemporaryFolder folder;
  auto jpeg = read_file(test_data("hard_cases/baseline_rgb.jpg"));
  const std::vector<uint8_t> size = {504 >> 8, 504 & 255, 378 >> 8, 378 & 255};
  const auto at = std::search(jpeg.begin(), jpeg.end(), size.begin(), size.end());
  REQUIRE(at != jpeg.end());
  for (int i = 0; i < 4; i += 2) {
    at[i] = 65500 >> 8;
    at[i + 1] = 65500 & 255;
  }
  write_file(folder.path() / "huge.jpg", jpeg);
  const ImageSet set({{"huge.jpg", 65500, 65500}}, folder.path());
  const auto refused = set.train(1, {"--bad-images", "error"});
  CHECK(refused.exit_code == 3);
  CHECK_THAT(refused.err, Contains("huge.jpg: 65500×65500 pixels are more than the limit of 100000000"));
  const ImageSet small({{"one_pixel.png", 1, 1}, {"grey_8bit.png", 189, 252}});
  const auto limited = small.train(1, {"--bad-images", "error", "--set", "input.max_pixels=1000"});
  CHECK(limited.exit_code == 3);
  CHECK_THAT(limited.err, Contains("pixels are more than the limit of 1000") && Contains("input.max_pixels"));
}

TEST_CASE("fault: 100 megapixels are detected on, and one pixel", "[images][fault]") {
  const TemporaryFolder folder;
  // Plain gray, by libjpeg: 10,000 × 10,000.
  const fs::path path = folder.path() / "large.jpg";
  FILE* file = std::fopen(path.c_str(), "wb");
  REQUIRE(file);
  jpeg_compress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  jpeg_stdio_dest(&info, file);
  info.image_width = info.image_height = 10'000;
  info.input_components = 1;
  info.in_color_space = JCS_GRAYSCALE;
  jpeg_set_defaults(&info);
  jpeg_start_compress(&info, TRUE);
  std::vector<uint8_t> row(10'000, 90);
  for (int y = 0; y < 10'000; ++y) {
    JSAMPROW line = row.data();
    jpeg_write_scanlines(&info, &line, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::fclose(file);

  const ImageSet set({{"baseline_rgb.jpg", 378, 504}});
  REQUIRE(set.train(1).exit_code == 0);
  for (const char* name : {"one_pixel.jpg", "panorama_4000x40.jpg"})
    fs::copy_file(test_data(std::string("hard_cases/") + name), folder.path() / name);
  const auto found = run_fovea({"detect", folder.path().string(), "--weights", (set.out / "last.safetensors").string(),
                                "--out", (set.out / "found").string(), "--sheet", "0"});
  CAPTURE(found.out, found.err);
  CHECK(found.exit_code == 0);
  CHECK(found.peak_memory < 500'000'000);  // four bytes a pixel, and the program
  for (const char* name : {"large.jpg", "one_pixel.jpg", "panorama_4000x40.jpg"})
    CHECK(fs::exists(set.out / "found" / name));
}
