// A tiny model behind the C API, and what Fovea itself finds with the same weights.
#pragma once
#include <fovea/fovea.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/weights_file.h"

namespace fovea::test {

struct FreeHandle {
  void operator()(fovea_model* model) const { fovea_model_free(model); }
  void operator()(fovea_result* result) const { fovea_result_free(result); }
};
using ModelHandle = std::unique_ptr<fovea_model, FreeHandle>;
using ResultHandle = std::unique_ptr<fovea_result, FreeHandle>;
using Boxes = std::vector<fovea_detection>;

inline std::string last_error() { return fovea_error_message(); }

// For a status that has to be OK.
inline void require_ok(fovea_status status) {
  INFO(fovea_error_message());
  REQUIRE(status == FOVEA_OK);
}

// `result` by reference: it is set by the call that gives the status.
inline ResultHandle owned(fovea_status status, fovea_result* const& result) {
  require_ok(status);
  return ResultHandle(result);
}

inline fovea_pixels in_c(const Image& image) {
  fovea_pixels pixels;
  fovea_pixels_init(&pixels);
  pixels.data = image.rgb.data();
  pixels.width = image.width;
  pixels.height = image.height;
  return pixels;
}

inline fovea_image_result image_result(const ResultHandle& result, size_t image) {
  fovea_image_result found;
  fovea_image_result_init(&found);
  require_ok(fovea_result_get_image(result.get(), image, &found));
  return found;
}

inline Boxes boxes_of(const ResultHandle& result, size_t image) {
  const fovea_image_result found = image_result(result, image);
  return {found.detections, found.detections + found.count};
}

inline bool same(const Boxes& a, const Boxes& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const fovea_detection& x, const fovea_detection& y) {
    return x.x1 == y.x1 && x.y1 == y.y1 && x.x2 == y.x2 && x.y2 == y.y2 && x.score == y.score && x.label == y.label;
  });
}

struct ApiScene {
  TemporaryFolder folder;
  DetectionScene scene;
  std::string weights = write_weights(folder.path() / "weights.safetensors");

  // As the scene computes. `settings`: one more.
  fovea_model_options options() const {
    static const char* const kSettings[] = {"convolution=direct"};
    fovea_model_options options;
    fovea_model_options_init(&options);
    options.device = FOVEA_DEVICE_CPU;
    options.precision = FOVEA_PRECISION_F32;
    options.settings = kSettings;
    options.setting_count = 1;
    return options;
  }
  ModelHandle load(const fovea_model_options& options) const {
    fovea_model* model = nullptr;
    require_ok(fovea_model_load(weights.c_str(), &options, &model));
    return ModelHandle(model);
  }
  ModelHandle load() const { return load(options()); }

  const Image& image(size_t n) {
    while (images_.size() <= n) images_.push_back(scene.image(images_.size()).image);
    return *images_[n];
  }
  // The first `count` images.
  std::vector<fovea_pixels> pixels(size_t count) {
    std::vector<fovea_pixels> pixels;
    for (size_t n = 0; n < count; ++n) pixels.push_back(in_c(image(n)));
    return pixels;
  }
  // What Fovea finds in them without the C API.
  std::vector<Boxes> expected(size_t count) {
    Detector detector(scene.model, scene.config.input, 1);
    std::vector<Boxes> expected;
    for (const auto& found : scene.detect(detector, count)) {
      Boxes& boxes = expected.emplace_back();
      for (const Detected& d : found) boxes.push_back({d.x1, d.y1, d.x2, d.y2, d.score, d.label});
    }
    return expected;
  }

  static ResultHandle detect(const ModelHandle& model, const std::vector<fovea_pixels>& images,
                             const fovea_detect_options* options = nullptr) {
    fovea_result* result = nullptr;
    const fovea_status status = fovea_detect_pixels(model.get(), images.data(), images.size(), options, &result);
    return owned(status, result);
  }

 private:
  std::vector<std::shared_ptr<const Image>> images_;
};

}  // namespace fovea::test
