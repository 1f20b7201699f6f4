// Every argument that makes no sense is an error that names it, and changes nothing.
#include <fmt/format.h>

#include <functional>
#include <limits>

#include "tests/api/scene.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;
using Catch::StartsWith;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

template <class Options>
struct Wrong {
  const char* message;  // how it begins
  std::function<void(Options&)> change;
  fovea_status status = FOVEA_ERROR_USAGE;
};

}  // namespace

TEST_CASE("api: options of a model that make no sense are named", "[api][fault]") {
  const ApiScene scene;
  using Options = fovea_model_options;
  static const char* const kNone[] = {nullptr};
  static const char* const kUnknown[] = {"input.shrot_side=[64]"};
  const std::vector<Wrong<Options>> wrongs{
      {"options.size is 0", [](Options& o) { o.size = 0; }},
      {"options.size is", [](Options& o) { o.size = std::numeric_limits<size_t>::max(); }},
      {"options.device is -1", [](Options& o) { o.device = -1; }},
      {"options.device is 3", [](Options& o) { o.device = 3; }},
      {"options.precision is 4", [](Options& o) { o.precision = 4; }},
      {"options.gpu is -1", [](Options& o) { o.gpu = -1; }},
      {"options.threads is -1", [](Options& o) { o.threads = -1; }},
      {"options.threads is 1025", [](Options& o) { o.threads = 1025; }},
      {"options.batch is -2", [](Options& o) { o.batch = -2; }},
      {"options.max_detections is -1", [](Options& o) { o.max_detections = -1; }},
      {"options.score_threshold is nan", [](Options& o) { o.score_threshold = kNan; }},
      {"options.score_threshold is -0.5", [](Options& o) { o.score_threshold = -0.5; }},
      {"options.nms_threshold is 1.5", [](Options& o) { o.nms_threshold = 1.5; }},
      {"options.settings is NULL", [](Options& o) { o.settings = nullptr; }},
      {"options.settings[0] is NULL", [](Options& o) { o.settings = kNone; }},
      {"options.settings[0]", [](Options& o) { o.settings = kUnknown; }},
  };
  for (const auto& wrong : wrongs) {
    CAPTURE(wrong.message);
    Options options = scene.options();
    wrong.change(options);
    fovea_model* model = nullptr;
    CHECK(fovea_model_load(scene.weights.c_str(), &options, &model) == wrong.status);
    CHECK_THAT(last_error(), StartsWith(wrong.message));
    CHECK(model == nullptr);
  }
}

TEST_CASE("api: files that are no models are refused", "[api][fault]") {
  const ApiScene scene;
  fovea_model* model = nullptr;
  const fovea_model_options options = scene.options();
  CHECK(fovea_model_load((scene.folder.path() / "none").c_str(), &options, &model) == FOVEA_ERROR_DATA);
  CHECK_THAT(last_error(), Contains("none"));
  CHECK(fovea_model_load(nullptr, &options, &model) == FOVEA_ERROR_USAGE);
  CHECK(last_error() == "path is NULL");
  CHECK(fovea_model_load(scene.weights.c_str(), &options, nullptr) == FOVEA_ERROR_USAGE);
  CHECK(last_error() == "model is NULL");
  CHECK(model == nullptr);
}

TEST_CASE("api: options of a call that make no sense are named", "[api][fault]") {
  ApiScene scene;
  const ModelHandle model = scene.load();
  const auto pixels = scene.pixels(1);
  using Options = fovea_detect_options;
  static const float kNans[] = {0.5F, std::numeric_limits<float>::quiet_NaN(), 0.5F};
  static const float kLow[] = {0.5F, 0.5F, 0.001F};
  const std::vector<Wrong<Options>> wrongs{
      {"options.size is 3", [](Options& o) { o.size = 3; }},
      {"options.score_threshold is nan", [](Options& o) { o.score_threshold = kNan; }},
      {"options.score_threshold is -1", [](Options& o) { o.score_threshold = -1; }},
      {"options.score_threshold is 1.01", [](Options& o) { o.score_threshold = 1.01; }},
      {"options.score_threshold is 0.001: expected 0.005 to 1", [](Options& o) { o.score_threshold = 0.001; }},
      {"options.max_detections is -1", [](Options& o) { o.max_detections = -1; }},
      {"options.max_detections is 100000", [](Options& o) { o.max_detections = 100000; }},
      {"options.skip_bad_images is 2", [](Options& o) { o.skip_bad_images = 2; }},
      {"options.class_thresholds is NULL", [](Options& o) { o.class_threshold_count = 3; }},
      {"options.class_threshold_count is 2",
       [](Options& o) { o.class_thresholds = kNans, o.class_threshold_count = 2; }},
      {"options.class_thresholds[1] is nan",
       [](Options& o) { o.class_thresholds = kNans, o.class_threshold_count = 3; }},
      {"options.class_thresholds[2] is 0.001",
       [](Options& o) { o.class_thresholds = kLow, o.class_threshold_count = 3; }},
  };
  for (const auto& wrong : wrongs) {
    CAPTURE(wrong.message);
    Options options;
    fovea_detect_options_init(&options);
    wrong.change(options);
    fovea_result* result = nullptr;
    CHECK(fovea_detect_pixels(model.get(), pixels.data(), 1, &options, &result) == wrong.status);
    CHECK_THAT(last_error(), StartsWith(wrong.message));
    CHECK(result == nullptr);
  }
  fovea_detect_options options;
  fovea_detect_options_init(&options);
  options.score_threshold = 0.005F;  // the model's own, as a float
  ApiScene::detect(model, pixels, &options);
}

TEST_CASE("api: images that make no sense are named, with their number", "[api][fault]") {
  ApiScene scene;
  const ModelHandle model = scene.load();
  using Pixels = fovea_pixels;
  int stream = 0;
  const std::vector<Wrong<Pixels>> wrongs{
      {"images[1].size is 8, and images[0].size", [](Pixels& p) { p.size = 8; }},
      {"images[1].data is NULL", [](Pixels& p) { p.data = nullptr; }},
      {"images[1].width is -5", [](Pixels& p) { p.width = -5; }},
      {"images[1].height is 0", [](Pixels& p) { p.height = 0; }},
      {"images[1].format is 5", [](Pixels& p) { p.format = 5; }},
      {"images[1].format is -1", [](Pixels& p) { p.format = -1; }},
      {"images[1].row_stride is 359", [](Pixels& p) { p.row_stride = 3 * int64_t{p.width} - 1; }},
      {"images[1].row_stride is -360", [](Pixels& p) { p.row_stride = -3 * int64_t{p.width}; }},
      {"images[1].memory is 2", [](Pixels& p) { p.memory = 2; }},
      {"images[1].stream is set", [&](Pixels& p) { p.stream = &stream; }},
      {"images[1].memory is FOVEA_MEMORY_CUDA, and the model is on the CPU",
       [](Pixels& p) { p.memory = FOVEA_MEMORY_CUDA; }},
      {"images[1]: 40000×40000 pixels", [](Pixels& p) { p.width = p.height = 40000; }, FOVEA_ERROR_DATA},
  };
  for (const auto& wrong : wrongs) {
    CAPTURE(wrong.message);
    auto pixels = scene.pixels(2);
    REQUIRE(pixels[1].width == 120);
    wrong.change(pixels[1]);
    fovea_result* result = nullptr;
    CHECK(fovea_detect_pixels(model.get(), pixels.data(), 2, nullptr, &result) == wrong.status);
    CHECK_THAT(last_error(), StartsWith(wrong.message));
    CHECK(result == nullptr);
  }
  CHECK(same(boxes_of(ApiScene::detect(model, scene.pixels(1)), 0), scene.expected(1)[0]));  // it goes on
}

TEST_CASE("api: pointers that are NULL are named", "[api][fault]") {
  ApiScene scene;
  const ModelHandle model = scene.load();
  const auto pixels = scene.pixels(1);
  const ResultHandle result = ApiScene::detect(model, pixels);
  const char* const no_path = nullptr;
  const fovea_encoded no_bytes{nullptr, 0};
  const uint8_t byte = 0;
  const fovea_encoded empty{&byte, 0};
  fovea_result* made = nullptr;
  fovea_image_result image;
  fovea_image_result_init(&image);
  const auto refused = [](fovea_status status, const std::string& message, fovea_status expected = FOVEA_ERROR_USAGE) {
    CAPTURE(message);
    CHECK(status == expected);
    CHECK_THAT(last_error(), StartsWith(message));
  };
  refused(fovea_model_get_info(nullptr, nullptr), "model is NULL");
  refused(fovea_model_get_info(model.get(), nullptr), "info is NULL");
  refused(fovea_model_get_class(nullptr, 0, nullptr, nullptr), "model is NULL");
  refused(fovea_model_get_class(model.get(), -1, nullptr, nullptr), "label is -1");
  refused(fovea_model_get_class(model.get(), 3, nullptr, nullptr), "label is 3");
  refused(fovea_detect_pixels(nullptr, pixels.data(), 1, nullptr, &made), "model is NULL");
  refused(fovea_detect_pixels(model.get(), nullptr, 1, nullptr, &made), "images is NULL");
  refused(fovea_detect_pixels(model.get(), pixels.data(), 1, nullptr, nullptr), "result is NULL");
  refused(fovea_detect_pixels(model.get(), pixels.data(), SIZE_MAX, nullptr, &made), "count is 18446744073709551615");
  refused(fovea_detect_files(model.get(), nullptr, 1, nullptr, &made), "paths is NULL");
  refused(fovea_detect_files(model.get(), &no_path, 1, nullptr, &made), "paths[0] is NULL");
  refused(fovea_detect_encoded(model.get(), nullptr, 1, nullptr, &made), "images is NULL");
  refused(fovea_detect_encoded(model.get(), &no_bytes, 1, nullptr, &made), "images[0].data is NULL");
  refused(fovea_detect_encoded(model.get(), &empty, 1, nullptr, &made), "images[0]: is empty", FOVEA_ERROR_DATA);
  CHECK(made == nullptr);
  refused(fovea_result_get_image(nullptr, 0, &image), "result is NULL");
  refused(fovea_result_get_image(result.get(), 1, &image), "image is 1");
  refused(fovea_result_get_image(result.get(), 0, nullptr), "found is NULL");
  image.size = 1;
  refused(fovea_result_get_image(result.get(), 0, &image), "found.size is 1");
  refused(fovea_result_copy(result.get(), 0, nullptr, 1, nullptr), "detections is NULL");
  CHECK(fovea_model_free(nullptr) == FOVEA_OK);
  CHECK(fovea_result_free(nullptr) == FOVEA_OK);
}

TEST_CASE("api: structs of newer callers are taken where they ask for nothing new", "[api]") {
  ApiScene scene;
  struct {
    fovea_model_options known;
    int64_t later;
  } newer{scene.options(), 0};
  newer.known.size = sizeof(newer);
  fovea_model* made = nullptr;
  require_ok(fovea_model_load(scene.weights.c_str(), &newer.known, &made));
  const ModelHandle model(made);
  newer.later = 1;
  made = nullptr;
  CHECK(fovea_model_load(scene.weights.c_str(), &newer.known, &made) == FOVEA_ERROR_UNSUPPORTED);
  CHECK_THAT(last_error(), StartsWith("options sets a field that libfovea " FOVEA_VERSION " does not know"));

  struct {
    fovea_model_info known;
    int64_t later, beyond;
  } info{{}, 7, 7};
  info.known.size = sizeof(info.known) + sizeof(info.later);
  require_ok(fovea_model_get_info(model.get(), &info.known));
  CHECK(info.known.size == sizeof(info.known) + sizeof(info.later));
  CHECK(info.known.classes == 3);
  CHECK(info.later == 0);
  CHECK(info.beyond == 7);

  struct NewerPixels {
    fovea_pixels known;
    int64_t later;
  };
  std::vector<NewerPixels> images;
  for (fovea_pixels& pixels : scene.pixels(2)) images.push_back({pixels, 0});
  for (NewerPixels& image : images) image.known.size = sizeof(NewerPixels);
  fovea_result* result = nullptr;
  const ResultHandle owner = owned(fovea_detect_pixels(model.get(), &images[0].known, 2, nullptr, &result), result);
  CHECK(same(boxes_of(owner, 1), scene.expected(2)[1]));
}

#ifndef NDEBUG
TEST_CASE("api: debug builds tell that a handle was freed, or is none", "[api][fault]") {
  ApiScene scene;
  fovea_model* const model = scene.load().release();
  fovea_result* const result = ApiScene::detect(scene.load(), scene.pixels(1)).release();
  REQUIRE(fovea_model_free(model) == FOVEA_OK);
  REQUIRE(fovea_result_free(result) == FOVEA_OK);
  CHECK(fovea_model_get_class(model, 0, nullptr, nullptr) == FOVEA_ERROR_USAGE);
  CHECK(last_error() == "model was freed before");
  CHECK(fovea_model_free(model) == FOVEA_ERROR_USAGE);
  CHECK(fovea_result_free(result) == FOVEA_ERROR_USAGE);
  CHECK(last_error() == "result was freed before");
  CHECK(fovea_model_free(reinterpret_cast<fovea_model*>(result)) == FOVEA_ERROR_USAGE);
}
#endif
