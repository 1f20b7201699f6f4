// The C API's functions on models.
#include <fmt/format.h>

#include <memory>
#include <tuple>

#include "tools/api/model_handle.h"
#include "tools/api/requests.h"
#include "tools/api/structs.h"
#include "tools/text/version.h"

using namespace fovea;
using namespace fovea::api;

namespace {

constexpr size_t kFirstModelInfo = 72;  // the size in version 0.1
static_assert(sizeof(void*) != 8 || sizeof(fovea_model_info) == kFirstModelInfo);

fovea_model_info info_of(const ModelFacts& facts) {
  const DetectConfig& detect = facts.config.model.detect;
  const InputConfig& input = facts.config.input;
  const int32_t fp32 = facts.tf32 ? FOVEA_PRECISION_TF32 : FOVEA_PRECISION_F32;
  return {.size = sizeof(fovea_model_info),
          .classes = facts.config.model.classes,
          .device = facts.device == DeviceKind::Cuda ? FOVEA_DEVICE_CUDA : FOVEA_DEVICE_CPU,
          .precision = facts.activations == DType::BF16 ? FOVEA_PRECISION_BF16 : fp32,
          .threads = facts.threads,
          .batch = facts.batch,
          .max_detections = detect.per_image,
          .short_side = input.short_side.back(),
          .long_side = input.long_side,
          .pad_to = input.pad_to,
          .reserved = 0,
          .max_pixels = input.max_pixels,
          .score_threshold = detect.score_threshold,
          .nms_threshold = detect.nms_threshold};
}

}  // namespace

const char* fovea_error_message() { return last_message(); }

const char* fovea_version() { return kVersion; }

fovea_status fovea_model_load(const char* path, const fovea_model_options* options, fovea_model** model) {
  return guarded([&] {
    if (model == nullptr) bad_argument("model is NULL");
    auto contents = std::make_unique<Model>(model_request(path, options));
    *model = new fovea_model(std::move(contents));
  });
}

fovea_status fovea_model_free(fovea_model* model) {
  return guarded([&] {
    if (model == nullptr) return;
    auto& executor = contents_of(model, "model").executor;
    // Its thread stayed with the parent: it can't be joined.
    if (!executor->in_own_process()) std::ignore = executor.release();
    free_handle(model, "model");
  });
}

fovea_status fovea_model_get_info(const fovea_model* model, fovea_model_info* info) {
  return guarded([&] {
    const ModelFacts& facts = contents_of(model, "model").executor->facts();
    if (info == nullptr) bad_argument("info is NULL");
    write_struct(*info, info_of(facts), kFirstModelInfo, "info", "fovea_model_info");
  });
}

fovea_status fovea_model_get_class(const fovea_model* model, int32_t label, int64_t* id, const char** name) {
  return guarded([&] {
    const auto& categories = contents_of(model, "model").executor->facts().categories;
    if (label < 0 || static_cast<size_t>(label) >= categories.size())
      bad_argument(fmt::format("label is {}: the model has labels 0 to {}", label, categories.size() - 1));
    const Category& category = categories[static_cast<size_t>(label)];
    if (id != nullptr) *id = category.id;
    if (name != nullptr) *name = category.name.c_str();
  });
}
