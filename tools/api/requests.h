// The C API's options, checked: NULL is all by default.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "tools/api/executor.h"
#include "tools/api/fovea.h"

namespace fovea::api {

// The device, and how many threads there are on the CPU; chosen in the thread that will use them.
struct DeviceRequest {
  int32_t device = FOVEA_DEVICE_AUTO, gpu = 0, threads = 0;
  DeviceKind choose() const;
};
DeviceRequest device_request(int32_t device, int32_t gpu, int32_t threads);
// "key=value" each.
std::vector<std::string> settings_list(const char* const* settings, size_t count);
void apply_settings(Config& config, const std::vector<std::string>& settings);

ModelRequest model_request(const char* path, const fovea_model_options* options);

// What is taken of what the model finds.
struct DetectRequest {
  std::vector<float> thresholds;  // one a label
  size_t max_detections = 0;
  bool skip_bad_images = false;
  fovea_detect_callback callback = nullptr;
  void* user = nullptr;

  std::vector<fovea_detection> taken(const std::vector<Detected>& found) const;
};
DetectRequest detect_request(const ModelFacts& model, const fovea_detect_options* options);

}  // namespace fovea::api
