#include "tools/api/images.h"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <span>
#include <utility>

#include "kernels/device/cuda_device.h"
#include "kernels/error.h"
#include "tools/api/structs.h"
#include "tools/data/loading/image_source.h"
#include "tools/detect/detector.h"
#include "tools/image/image_file.h"

namespace fovea::api {

namespace {

constexpr size_t kFirstPixels = 48;  // the size in version 0.1
static_assert(sizeof(void*) != 8 || sizeof(fovea_pixels) == kFirstPixels);

constexpr std::array<kernels::PixelForm, 5> kForms{
    {{3, 0, 1, 2}, {3, 2, 1, 0}, {4, 0, 1, 2}, {4, 2, 1, 0}, {1, 0, 0, 0}}};

void check_memory(const fovea_pixels& pixels, const std::string& name, const ModelFacts& model) {
  if (pixels.memory == FOVEA_MEMORY_HOST) {
    if (pixels.stream != nullptr) bad_argument(name + ".stream is set for pixels in the host's memory: expected NULL");
    return;
  }
  if (pixels.memory != FOVEA_MEMORY_CUDA)
    bad_argument(fmt::format("{}.memory is {}: expected FOVEA_MEMORY_HOST or FOVEA_MEMORY_CUDA", name, pixels.memory));
  if (model.device != DeviceKind::Cuda)
    bad_argument(name +
                 ".memory is FOVEA_MEMORY_CUDA, and the model is on the CPU: load it with FOVEA_DEVICE_CUDA, or "
                 "copy the pixels to the host's memory");
  if (!in_gpu_memory(pixels.data, model.gpu))
    bad_argument(fmt::format("{}.data is not in the memory of GPU {}, which the model is on", name, model.gpu));
}

// Checks all but what the pixels are.
kernels::PixelForm checked_form(const fovea_pixels& pixels, const std::string& name, const ModelFacts& model) {
  const auto refuse = [&](const char* field, int64_t value, const std::string& expected) {
    bad_argument(fmt::format("{}.{} is {}: expected {}", name, field, value, expected));
  };
  if (pixels.data == nullptr) bad_argument(name + ".data is NULL");
  check_memory(pixels, name, model);
  if (pixels.format < 0 || pixels.format >= static_cast<int32_t>(kForms.size()))
    refuse("format", pixels.format, "one of FOVEA_PIXELS_RGB, …_BGR, …_RGBA, …_BGRA and …_GRAY");
  if (pixels.width < 1) refuse("width", pixels.width, "at least 1");
  if (pixels.height < 1) refuse("height", pixels.height, "at least 1");
  const int64_t most = model.config.input.max_pixels;
  if (int64_t{pixels.width} * pixels.height > most)
    throw Error(ErrorKind::Data, fmt::format("{}: {}×{} pixels are more than the limit of {}: make the image smaller, "
                                             "or raise input.max_pixels",
                                             name, pixels.width, pixels.height, most));
  const kernels::PixelForm form = kForms[static_cast<size_t>(pixels.format)];
  const int64_t row = int64_t{pixels.width} * form.bytes;
  if (pixels.row_stride != 0 && pixels.row_stride < row)
    refuse("row_stride", pixels.row_stride, fmt::format("0 or at least {}, the bytes of a row", row));
  return form;
}

}  // namespace

fovea_pixels pixels_at(const fovea_pixels* images, size_t index) {
  const size_t size = checked_size(images->size, kFirstPixels, "images[0]", "fovea_pixels");
  const auto* bytes = reinterpret_cast<const unsigned char*>(images) + index * size;
  const auto& given = *reinterpret_cast<const fovea_pixels*>(bytes);
  if (given.size != size)
    bad_argument(fmt::format("images[{}].size is {}, and images[0].size {}: set each to sizeof(fovea_pixels)", index,
                             given.size, size));
  return own_struct(given, kFirstPixels, fmt::format("images[{}]", index), "fovea_pixels");
}

LoadedImage load_pixels(const fovea_pixels& pixels, const std::string& name, const ModelFacts& model) {
  const kernels::PixelForm form = checked_form(pixels, name, model);
  const int64_t row = int64_t{pixels.width} * form.bytes;
  return as_loaded(PixelView{.data = pixels.data,
                             .width = pixels.width,
                             .height = pixels.height,
                             .row_stride = pixels.row_stride == 0 ? row : pixels.row_stride,
                             .form = form,
                             .on_gpu = pixels.memory == FOVEA_MEMORY_CUDA,
                             .stream = pixels.stream},
                   model.config.input);
}

LoadedImage load_encoded(const fovea_encoded& encoded, const std::string& name, const InputConfig& input) {
  if (encoded.data == nullptr) bad_argument(name + ".data is NULL");
  DecodedImage decoded = decode_image_file(std::span(encoded.data, encoded.length), name, image_options(input));
  auto pixels = std::make_shared<const Image>(std::move(decoded.image));
  return as_loaded(decoded, std::move(pixels), input);
}

LoadedImage load_file(const char* path, const std::string& name, const InputConfig& input) {
  if (path == nullptr) bad_argument(name + " is NULL");
  return load_image(path, input);
}

}  // namespace fovea::api
