#include "tools/api/images.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <utility>

#include "kernels/error.h"
#include "tools/api/structs.h"
#include "tools/data/loading/image_source.h"
#include "tools/detect/detector.h"
#include "tools/image/image_file.h"

namespace fovea::api {

namespace {

constexpr size_t kFirstPixels = 48;  // the size in version 0.1
static_assert(sizeof(void*) != 8 || sizeof(fovea_pixels) == kFirstPixels);

// Where red, green and blue are in a pixel of so many bytes.
struct PixelForm {
  int bytes, red, green, blue;
};
constexpr std::array<PixelForm, 5> kForms{{{3, 0, 1, 2}, {3, 2, 1, 0}, {4, 0, 1, 2}, {4, 2, 1, 0}, {1, 0, 0, 0}}};

// Checks all but what the pixels are.
PixelForm checked_form(const fovea_pixels& pixels, const std::string& name, int64_t most) {
  const auto refuse = [&](const char* field, int64_t value, const std::string& expected) {
    bad_argument(fmt::format("{}.{} is {}: expected {}", name, field, value, expected));
  };
  if (pixels.memory != FOVEA_MEMORY_HOST && pixels.memory != FOVEA_MEMORY_CUDA)
    refuse("memory", pixels.memory, "FOVEA_MEMORY_HOST or FOVEA_MEMORY_CUDA");
  if (pixels.memory == FOVEA_MEMORY_CUDA)
    throw Refused(FOVEA_ERROR_UNSUPPORTED,
                  fmt::format("{}.memory is FOVEA_MEMORY_CUDA: not supported in this build: copy the pixels to the "
                              "host's memory",
                              name));
  if (pixels.stream != nullptr) bad_argument(name + ".stream is set for pixels in the host's memory: expected NULL");
  if (pixels.data == nullptr) bad_argument(name + ".data is NULL");
  if (pixels.format < 0 || pixels.format >= static_cast<int32_t>(kForms.size()))
    refuse("format", pixels.format, "one of FOVEA_PIXELS_RGB, …_BGR, …_RGBA, …_BGRA and …_GRAY");
  if (pixels.width < 1) refuse("width", pixels.width, "at least 1");
  if (pixels.height < 1) refuse("height", pixels.height, "at least 1");
  if (int64_t{pixels.width} * pixels.height > most)
    throw Error(ErrorKind::Data, fmt::format("{}: {}×{} pixels are more than the limit of {}: make the image smaller, "
                                             "or raise input.max_pixels",
                                             name, pixels.width, pixels.height, most));
  const PixelForm form = kForms[static_cast<size_t>(pixels.format)];
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

LoadedImage load_pixels(const fovea_pixels& pixels, const std::string& name, const InputConfig& input) {
  const PixelForm form = checked_form(pixels, name, input.max_pixels);
  const auto width = static_cast<size_t>(pixels.width), height = static_cast<size_t>(pixels.height);
  const size_t row = width * static_cast<size_t>(form.bytes);
  const size_t stride = pixels.row_stride == 0 ? row : static_cast<size_t>(pixels.row_stride);
  auto image = std::make_shared<Image>(Image{pixels.width, pixels.height, std::vector<uint8_t>(3 * width * height)});
  uint8_t* to = image->rgb.data();
  for (size_t y = 0; y < height; ++y, to += 3 * width) {
    const uint8_t* from = pixels.data + y * stride;
    if (pixels.format == FOVEA_PIXELS_RGB) {
      std::copy_n(from, row, to);
      continue;
    }
    for (size_t x = 0; x < width; ++x, from += form.bytes) {
      to[3 * x] = from[form.red];
      to[3 * x + 1] = from[form.green];
      to[3 * x + 2] = from[form.blue];
    }
  }
  return as_loaded({.full_width = pixels.width, .full_height = pixels.height}, std::move(image), input);
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
