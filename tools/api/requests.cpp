#include "tools/api/requests.h"

#include <fmt/format.h>

#include "kernels/conv/gpu_libraries.h"
#include "kernels/device/cuda_device.h"
#include "tools/api/own_program.h"
#include "tools/api/structs.h"
#include "tools/device/gpu_trust.h"
#include "tools/device/smoke_command.h"

namespace fovea::api {

namespace {

constexpr size_t kFirstModelOptions = 88, kFirstDetectOptions = 40;  // sizes in version 0.1
static_assert(sizeof(void*) != 8 || sizeof(fovea_model_options) == kFirstModelOptions);
static_assert(sizeof(void*) != 8 || offsetof(fovea_detect_options, callback) == kFirstDetectOptions);

constexpr int kMostThreads = 1024, kMostBatch = 1024, kMostDetections = 10000;

void require_within(int64_t value, int64_t least, int64_t most, const char* name) {
  if (value < least || value > most) bad_argument(fmt::format("{} is {}: expected {} to {}", name, value, least, most));
}

// NaN is outside of all.
void require_share(double value, double least, const std::string& name) {
  if (!(value >= least && value <= 1)) bad_argument(fmt::format("{} is {}: expected {} to 1", name, value, least));
}

fovea_model_options own_options(const fovea_model_options* given) {
  fovea_model_options options;
  fovea_model_options_init(&options);
  if (given != nullptr) options = own_struct(*given, kFirstModelOptions, "options", "fovea_model_options");
  require_within(options.precision, FOVEA_PRECISION_AUTO, FOVEA_PRECISION_BF16, "options.precision");
  require_within(options.batch, 0, kMostBatch, "options.batch");
  require_within(options.max_detections, 0, kMostDetections, "options.max_detections");
  require_share(options.score_threshold, 0, "options.score_threshold");
  require_share(options.nms_threshold, 0, "options.nms_threshold");
  return options;
}

// A GPU that nobody asked for is used once it has passed its check (tools/device/gpu_trust.h), which a process of its
// own runs: the program `fovea`.
bool may_use(const GpuStatus& status) {
  const std::string program = own_program();
  if (program.empty()) {
    notice(
        "using the CPU: a GPU is used unasked once it has passed the check of the program fovea, which is not beside "
        "libfovea");
    return false;
  }
  GpuCheckOptions check = gpu_check_options(status, smoke_command(program));
  check.shared_process = true;
  return trusted_verdict(check).passed;
}

// On the thread that will use it.
DeviceKind choose_device(int32_t wanted, int gpu) {
  if (wanted == FOVEA_DEVICE_CPU) return DeviceKind::Cpu;
  const bool asked = wanted == FOVEA_DEVICE_CUDA;
  const GpuStatus status = gpu_status();
  if (!status.usable()) {
    if (asked) throw Error(status.kind, "options.device is FOVEA_DEVICE_CUDA: " + status.problem);
    return DeviceKind::Cpu;
  }
  if (static_cast<size_t>(gpu) >= status.devices.size())
    bad_argument(fmt::format("options.gpu is {}: there are {}, numbered from 0", gpu, status.devices.size()));
  use_gpu(gpu);
  if (!asked && !may_use(status)) return DeviceKind::Cpu;
  warn_of_missing_libraries();
  return DeviceKind::Cuda;
}

NoticeListener::Hear listener_of(const fovea_model_options& options) {
  if (options.log == nullptr) return {};
  return [log = options.log, user = options.log_user](NoticeLevel level, const std::string& line) {
    log(level == NoticeLevel::Warning ? FOVEA_LOG_WARNING : FOVEA_LOG_INFO, line.c_str(), user);
  };
}

Precision precision_of(int32_t precision) {
  switch (precision) {
    case FOVEA_PRECISION_F32:
      return Precision::F32;
    case FOVEA_PRECISION_TF32:
      return Precision::TF32;
    default:
      return Precision::BF16;
  }
}

void adjust_config(Config& config, const fovea_model_options& options, const std::vector<std::string>& settings) {
  apply_settings(config, settings);
  if (options.precision != FOVEA_PRECISION_AUTO) config.precision = precision_of(options.precision);
  DetectConfig& detect = config.model.detect;
  if (options.max_detections > 0) detect.per_image = options.max_detections;
  if (options.score_threshold > 0) detect.score_threshold = options.score_threshold;
  if (options.nms_threshold > 0) detect.nms_threshold = options.nms_threshold;
}

}  // namespace

DeviceRequest device_request(int32_t device, int32_t gpu, int32_t threads) {
  require_within(device, FOVEA_DEVICE_AUTO, FOVEA_DEVICE_CUDA, "options.device");
  require_within(gpu, 0, INT32_MAX, "options.gpu");
  require_within(threads, 0, kMostThreads, "options.threads");
  return {device, gpu, threads};
}

DeviceKind DeviceRequest::choose() const { return choose_device(device, gpu); }

std::vector<std::string> settings_list(const char* const* settings, size_t count) {
  if (settings == nullptr && count > 0)
    bad_argument(fmt::format("options.settings is NULL, and options.setting_count {}", count));
  std::vector<std::string> list;
  for (size_t i = 0; i < count; ++i) {
    if (settings[i] == nullptr) bad_argument(fmt::format("options.settings[{}] is NULL", i));
    list.emplace_back(settings[i]);
  }
  return list;
}

void apply_settings(Config& config, const std::vector<std::string>& settings) {
  for (size_t i = 0; i < settings.size(); ++i)
    apply_setting(config, settings[i], fmt::format("options.settings[{}]", i));
}

ModelRequest model_request(const char* path, const fovea_model_options* options) {
  if (path == nullptr) bad_argument("path is NULL");
  const fovea_model_options own = own_options(options);
  return {.path = path,
          .state_dict = own.state_dict == nullptr ? "" : own.state_dict,
          .device = [device = device_request(own.device, own.gpu, own.threads)] { return device.choose(); },
          .adjust = [own, settings = settings_list(own.settings, own.setting_count)](
                        Config& config) { adjust_config(config, own, settings); },
          .hear = listener_of(own),
          .threads = own.threads,
          .batch = own.batch};
}

DetectRequest detect_request(const ModelFacts& model, const fovea_detect_options* options) {
  const DetectConfig& of_model = model.config.model.detect;
  const auto classes = static_cast<size_t>(model.config.model.classes);
  DetectRequest request{.thresholds = std::vector<float>(classes, 0.f),  // the model's own has been applied
                        .max_detections = static_cast<size_t>(of_model.per_image)};
  if (options == nullptr) return request;
  const auto own = own_struct(*options, kFirstDetectOptions, "options", "fovea_detect_options");
  require_within(own.max_detections, 0, of_model.per_image, "options.max_detections");
  require_within(own.skip_bad_images, 0, 1, "options.skip_bad_images");
  if (own.max_detections > 0) request.max_detections = static_cast<size_t>(own.max_detections);
  request.skip_bad_images = own.skip_bad_images == 1;
  request.callback = own.callback;
  request.user = own.user;
  // As floats, so that the model's own threshold is accepted in either form.
  const auto threshold = [&](double value, const std::string& name) {
    const bool enough = static_cast<float>(value) >= static_cast<float>(of_model.score_threshold);
    if (!enough) require_share(value, of_model.score_threshold, name);
    require_share(value, 0, name);
    return static_cast<float>(value);
  };
  if (own.score_threshold != 0)
    request.thresholds.assign(classes, threshold(own.score_threshold, "options.score_threshold"));
  if (own.class_thresholds == nullptr && own.class_threshold_count == 0) return request;
  if (own.class_thresholds == nullptr) bad_argument("options.class_thresholds is NULL, and its count is not 0");
  if (own.class_threshold_count != classes)
    bad_argument(fmt::format("options.class_threshold_count is {}: the model has {} classes", own.class_threshold_count,
                             classes));
  for (size_t label = 0; label < classes; ++label)
    if (own.class_thresholds[label] != 0)
      request.thresholds[label] =
          threshold(own.class_thresholds[label], fmt::format("options.class_thresholds[{}]", label));
  return request;
}

std::vector<fovea_detection> DetectRequest::taken(const std::vector<Detected>& found) const {
  std::vector<fovea_detection> taken;
  for (const Detected& d : found) {
    if (taken.size() == max_detections) break;
    if (d.score >= thresholds[static_cast<size_t>(d.label)])
      taken.push_back({d.x1, d.y1, d.x2, d.y2, d.score, d.label});
  }
  return taken;
}

}  // namespace fovea::api
