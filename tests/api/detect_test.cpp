// Detection through the C API: what is found is what Fovea finds, in whichever form images come and results are taken.
#include <fmt/format.h>

#include <cmath>

#include "tests/api/scene.h"
#include "tests/support/test_data.h"
#include "tools/text/file.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

// The same image in another form, each row with `gap` bytes behind it.
std::vector<uint8_t> reordered(const Image& image, int32_t format, size_t gap) {
  const bool alpha = format == FOVEA_PIXELS_RGBA || format == FOVEA_PIXELS_BGRA;
  const bool swapped = format == FOVEA_PIXELS_BGR || format == FOVEA_PIXELS_BGRA;
  std::vector<uint8_t> bytes;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const uint8_t* rgb = &image.rgb[3 * (static_cast<size_t>(y) * image.width + x)];
      bytes.insert(bytes.end(), {rgb[swapped ? 2 : 0], rgb[1], rgb[swapped ? 0 : 2]});
      if (alpha) bytes.push_back(static_cast<uint8_t>(x));
    }
    bytes.insert(bytes.end(), gap, 77);
  }
  return bytes;
}

fovea_detect_options detect_options() {
  fovea_detect_options options;
  fovea_detect_options_init(&options);
  return options;
}

}  // namespace

TEST_CASE("api: what is found in images of several sizes is what Fovea finds, bit for bit", "[api][determinism]") {
  constexpr size_t kImages = 9;
  ApiScene scene;
  const auto expected = scene.expected(kImages);
  REQUIRE(expected[0].size() > 10);
  for (const int batch : {0, 1, 2, 4}) {
    CAPTURE(batch);
    fovea_model_options options = scene.options();
    options.batch = batch;
    const ModelHandle model = scene.load(options);
    for (int call = 0; call < 3; ++call) {  // the later ones replay what was recorded
      const ResultHandle result = ApiScene::detect(model, scene.pixels(kImages));
      REQUIRE(fovea_result_image_count(result.get()) == kImages);
      for (size_t n = 0; n < kImages; ++n) {
        CHECK(same(boxes_of(result, n), expected[n]));
        const fovea_image_result image = image_result(result, n);
        CHECK(image.width == scene.image(n).width);
        CHECK(image.height == scene.image(n).height);
        CHECK(image.status == FOVEA_OK);
        CHECK(std::string(image.message).empty());
      }
    }
  }
}

TEST_CASE("api: the order of a pixel's bytes and the distance of rows say where the pixels are", "[api]") {
  ApiScene scene;
  const auto expected = scene.expected(1);
  const ModelHandle model = scene.load();
  for (const int32_t format : {FOVEA_PIXELS_RGB, FOVEA_PIXELS_BGR, FOVEA_PIXELS_RGBA, FOVEA_PIXELS_BGRA})
    for (const size_t gap : {0, 5}) {
      CAPTURE(format, gap);
      const auto bytes = reordered(scene.image(0), format, gap);
      fovea_pixels pixels = in_c(scene.image(0));
      pixels.data = bytes.data();
      pixels.format = format;
      pixels.row_stride = gap == 0 ? 0 : static_cast<int64_t>(bytes.size()) / pixels.height;
      CHECK(same(boxes_of(ApiScene::detect(model, {pixels}), 0), expected[0]));
    }
}

TEST_CASE("api: a gray image is one whose three colors are alike", "[api]") {
  ApiScene scene;
  const ModelHandle model = scene.load();
  Image gray = scene.image(0);
  std::vector<uint8_t> values;
  for (size_t i = 0; i < gray.rgb.size(); i += 3) {
    values.push_back(gray.rgb[i]);
    gray.rgb[i + 1] = gray.rgb[i + 2] = gray.rgb[i];
  }
  fovea_pixels pixels = in_c(gray);
  const auto expected = boxes_of(ApiScene::detect(model, {pixels}), 0);
  pixels.data = values.data();
  pixels.format = FOVEA_PIXELS_GRAY;
  CHECK(same(boxes_of(ApiScene::detect(model, {pixels}), 0), expected));
}

TEST_CASE("api: files and their bytes give what their pixels give", "[api][images]") {
  ApiScene scene;
  const auto expected = scene.expected(2);
  const ModelHandle model = scene.load();
  std::vector<std::string> files;
  std::vector<std::vector<uint8_t>> bytes;
  for (size_t n = 0; n < 2; ++n) {
    files.push_back((scene.folder.path() / fmt::format("{}.png", n)).string());
    write_png(files[n], scene.image(n));
    bytes.push_back(read_file(files[n]));
  }
  const std::vector<const char*> paths{files[0].c_str(), files[1].c_str()};
  const std::vector<fovea_encoded> encoded{{bytes[0].data(), bytes[0].size()}, {bytes[1].data(), bytes[1].size()}};
  fovea_result *of_files = nullptr, *of_bytes = nullptr;
  const ResultHandle a = owned(fovea_detect_files(model.get(), paths.data(), 2, nullptr, &of_files), of_files);
  const ResultHandle b = owned(fovea_detect_encoded(model.get(), encoded.data(), 2, nullptr, &of_bytes), of_bytes);
  for (size_t n = 0; n < 2; ++n) {
    CHECK(same(boxes_of(a, n), expected[n]));
    CHECK(same(boxes_of(b, n), expected[n]));
  }
}

TEST_CASE("api: thresholds of a model, a call and a class choose alike, and so do limits", "[api]") {
  ApiScene scene;
  const ModelHandle model = scene.load();
  const Boxes all = scene.expected(1)[0];
  const float middle = all[all.size() / 2].score;
  const auto wanted = [&](const auto& keep) {
    Boxes boxes;
    std::copy_if(all.begin(), all.end(), std::back_inserter(boxes), keep);
    return boxes;
  };
  const auto found = [&](const fovea_detect_options& options) {
    return boxes_of(ApiScene::detect(model, scene.pixels(1), &options), 0);
  };
  fovea_detect_options options = detect_options();
  options.score_threshold = middle;
  const Boxes best = wanted([&](const fovea_detection& d) { return d.score >= middle; });
  REQUIRE(best.size() < all.size());
  CHECK(same(found(options), best));
  options.max_detections = 3;
  CHECK(same(found(options), {best.begin(), best.begin() + 3}));

  options = detect_options();
  const std::vector<float> thresholds{1, middle, 0};  // of the last class: all
  options.class_thresholds = thresholds.data();
  options.class_threshold_count = thresholds.size();
  CHECK(same(found(options),
             wanted([&](const fovea_detection& d) { return d.score >= thresholds[static_cast<size_t>(d.label)]; })));

  fovea_model_options of_model = scene.options();
  of_model.score_threshold = std::nextafter(middle, 0.F);  // the network takes what is above
  of_model.max_detections = 5;
  const ModelHandle strict = scene.load(of_model);
  CHECK(same(boxes_of(ApiScene::detect(strict, scene.pixels(1)), 0), {best.begin(), best.begin() + 5}));
}

TEST_CASE("api: results are copied as far as there is room, and outlive their model", "[api]") {
  ApiScene scene;
  ModelHandle model = scene.load();
  const ResultHandle result = ApiScene::detect(model, scene.pixels(1));
  model.reset();
  const Boxes all = boxes_of(result, 0);
  size_t count = 0;
  require_ok(fovea_result_copy(result.get(), 0, nullptr, 0, &count));
  CHECK(count == all.size());
  Boxes copied(count + 1, fovea_detection{-1, -1, -1, -1, -1, -1});
  require_ok(fovea_result_copy(result.get(), 0, copied.data(), 2, &count));
  CHECK(count == all.size());
  CHECK(same({copied.begin(), copied.begin() + 2}, {all.begin(), all.begin() + 2}));
  CHECK(copied[2].label == -1);
  require_ok(fovea_result_copy(result.get(), 0, copied.data(), copied.size(), nullptr));
  CHECK(same({copied.begin(), copied.end() - 1}, all));
  CHECK(copied.back().label == -1);
}

TEST_CASE("api: a call without images has an empty result", "[api]") {
  ApiScene scene;
  const ModelHandle model = scene.load();
  CHECK(fovea_result_image_count(ApiScene::detect(model, {}).get()) == 0);
  CHECK(fovea_result_image_count(nullptr) == 0);
}

TEST_CASE("api: a callback hears how far a call is, and may end it", "[api]") {
  ApiScene scene;
  const ModelHandle model = scene.load();
  struct Heard {
    std::vector<size_t> done;
    size_t until = SIZE_MAX;
  } heard;
  fovea_detect_options options = detect_options();
  options.user = &heard;
  options.callback = [](size_t done, size_t count, void* user) {
    auto& to = *static_cast<Heard*>(user);
    CHECK(count == 6);
    to.done.push_back(done);
    return done >= to.until ? 1 : 0;
  };
  const auto pixels = scene.pixels(6);
  const auto expected = scene.expected(6);
  const ResultHandle all = ApiScene::detect(model, pixels, &options);
  for (size_t n = 0; n < pixels.size(); ++n) CHECK(same(boxes_of(all, n), expected[n]));
  CHECK(std::is_sorted(heard.done.begin(), heard.done.end()));
  CHECK(heard.done.front() == 0);
  CHECK(heard.done.back() == pixels.size());

  heard = {.done = {}, .until = 2};
  fovea_result* result = nullptr;
  CHECK(fovea_detect_pixels(model.get(), pixels.data(), pixels.size(), &options, &result) == FOVEA_ERROR_INTERRUPTED);
  CHECK_THAT(last_error(), Contains("2 of 6 images done"));
  CHECK(result == nullptr);
  CHECK(heard.done.back() == 2);
  CHECK(same(boxes_of(ApiScene::detect(model, scene.pixels(1)), 0), expected[0]));  // it goes on
}

TEST_CASE("api: a bad image fails the call, or is skipped where the call says so", "[api][fault]") {
  ApiScene scene;
  const ModelHandle model = scene.load();
  const std::string good = (scene.folder.path() / "good.png").string();
  write_png(good, scene.image(0));
  const std::string bad = test_data("hard_cases/zero_byte.jpg").string(), none = scene.folder.path() / "none.jpg";
  const std::vector<const char*> paths{good.c_str(), bad.c_str(), none.c_str(), good.c_str()};
  fovea_result* made = nullptr;
  CHECK(fovea_detect_files(model.get(), paths.data(), paths.size(), nullptr, &made) == FOVEA_ERROR_DATA);
  CHECK_THAT(last_error(), Contains("zero_byte.jpg"));
  CHECK(made == nullptr);

  fovea_detect_options options = detect_options();
  options.skip_bad_images = 1;
  const ResultHandle result = owned(fovea_detect_files(model.get(), paths.data(), paths.size(), &options, &made), made);
  const auto expected = scene.expected(1)[0];
  CHECK(same(boxes_of(result, 0), expected));
  CHECK(same(boxes_of(result, 3), expected));
  for (const size_t n : {1, 2}) {
    const fovea_image_result image = image_result(result, n);
    CHECK(image.status == FOVEA_ERROR_DATA);
    CHECK(image.count == 0);
    CHECK(image.width == 0);
    CHECK_THAT(image.message, Contains(n == 1 ? "zero_byte.jpg" : "none.jpg"));
  }
}

TEST_CASE("api: what a model has to say goes to its own log", "[api]") {
  ApiScene scene;
  using Lines = std::vector<std::string>;
  const char* const renamed[] = {"convolution=direct", "input.deviation=[1, 1, 1]"};
  fovea_model_options options = scene.options();
  options.settings = renamed;
  options.setting_count = 2;
  options.log = [](int32_t level, const char* message, void* user) {
    static_cast<Lines*>(user)->push_back(fmt::format("{} {}", level, message));
  };
  Lines first, second;
  options.log_user = &first;
  const ModelHandle a = scene.load(options);
  CHECK(first == Lines{"0 options.settings[1] input.deviation=[1, 1, 1]: input.deviation is now called input.std"});
  options.log_user = &second;
  options.setting_count = 1;
  const ModelHandle b = scene.load(options);
  CHECK(first.size() == 1);
  CHECK(second.empty());
}

TEST_CASE("api: pixels are no longer looked at once a call has failed", "[api][fault]") {
  ApiScene scene;
  const ModelHandle model = scene.load();
  auto owned_pixels = std::make_unique<std::vector<uint8_t>>(scene.image(0).rgb);
  std::vector<fovea_pixels> images(3, in_c(scene.image(0)));
  for (fovea_pixels& image : images) image.data = owned_pixels->data();
  images.back().width = 0;  // found when the others are under way
  fovea_result* made = nullptr;
  CHECK(fovea_detect_pixels(model.get(), images.data(), images.size(), nullptr, &made) == FOVEA_ERROR_USAGE);
  owned_pixels.reset();  // AddressSanitizer sees who still reads them
  CHECK(same(boxes_of(ApiScene::detect(model, scene.pixels(1)), 0), scene.expected(1)[0]));
}

TEST_CASE("api: a model says what it is", "[api]") {
  ApiScene scene;
  fovea_model_options options = scene.options();
  options.threads = 1;
  const ModelHandle model = scene.load(options);
  fovea_model_info info;
  fovea_model_info_init(&info);
  require_ok(fovea_model_get_info(model.get(), &info));
  const Config& config = scene.scene.config;
  CHECK(info.classes == 3);
  CHECK(info.device == FOVEA_DEVICE_CPU);
  CHECK(info.precision == FOVEA_PRECISION_F32);
  CHECK(info.threads == 1);
  CHECK(info.batch == 1);
  CHECK(info.max_detections == config.model.detect.per_image);
  CHECK(info.short_side == config.input.short_side.back());
  CHECK(info.long_side == config.input.long_side);
  CHECK(info.pad_to == config.input.pad_to);
  CHECK(info.max_pixels == config.input.max_pixels);
  CHECK(info.score_threshold == config.model.detect.score_threshold);
  CHECK(info.nms_threshold == config.model.detect.nms_threshold);
  const std::vector<std::string> names{"RBC", "WBC", "Platelets"};
  for (int32_t label = 0; label < 3; ++label) {
    int64_t id = 0;
    const char* name = nullptr;
    require_ok(fovea_model_get_class(model.get(), label, &id, &name));
    CHECK(id == label + 1);
    CHECK(name == names[static_cast<size_t>(label)]);
    require_ok(fovea_model_get_class(model.get(), label, nullptr, nullptr));
  }
  CHECK(std::string(fovea_version()) == FOVEA_VERSION);
}
