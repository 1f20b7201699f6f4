#include "tools/data/loading/image_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/printable.h"
#include "kernels/error.h"
#include "kernels/launch/math.h"

namespace fovea {

namespace {
constexpr size_t kPoolBytes = size_t{64} << 20;
}

Size2d resized(Size2d image, int short_side, int long_side) {
  const auto [low, high] = std::minmax(image.height, image.width);
  const double ratio = std::min(static_cast<double>(short_side) / low, static_cast<double>(long_side) / high);
  const auto scaled = [&](int size) { return std::max(1, static_cast<int>(std::floor(size * ratio))); };
  return {scaled(image.height), scaled(image.width)};
}

int jpeg_divisor(Size2d image, const InputConfig& input) {
  if (!input.jpeg_scaling) return 1;
  const int short_side = *std::max_element(input.short_side.begin(), input.short_side.end());
  const Size2d network = resized(image, short_side, input.long_side);
  const double share = input.augment.crop > 0 ? input.augment.smallest_crop : 1;
  const auto large_enough = [&](int divisor) {
    return image.height * share >= divisor * network.height && image.width * share >= divisor * network.width;
  };
  for (const int divisor : {8, 4, 2})
    if (large_enough(divisor)) return divisor;
  return 1;
}

ImageOptions image_options(const InputConfig& input, OnBad bad_images) {
  return {.pixels = input.max_pixels,
          .keep_damaged = bad_images == OnBad::Keep,
          .jpeg_divisor = [input](int width, int height) { return jpeg_divisor({height, width}, input); }};
}

ImageSource::ImageSource(const Dataset& dataset, const InputConfig& input, BadFiles& bad_files, size_t cache_bytes)
    : dataset_(dataset),
      input_(input),
      bad_files_(bad_files),
      cache_bytes_(cache_bytes),
      options_(image_options(input, bad_files.policy())),
      pool_(std::make_shared<PixelPool>(kPoolBytes)) {}

size_t ImageSource::bytes(size_t sample) const {
  const Sample& s = dataset_.samples[sample];
  const int divisor = jpeg_divisor({s.height, s.width}, input_);
  const auto part = [&](int side) { return static_cast<size_t>(ceil_div(side, divisor)); };
  return 3 * part(s.width) * part(s.height);
}

LabeledImage ImageSource::read(size_t sample) {
  const Sample& wanted = dataset_.samples[sample];
  Decoded decoded;
  bool known = false;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = cache_.find(sample); found != cache_.end()) {
      decoded = found->second;
      known = true;
    }
  }
  if (!known) {
    decoded = decode(sample);
    const size_t bytes = decoded.image ? decoded.image->rgb.capacity() : 0;
    const std::lock_guard lock(mutex_);
    if (cached_bytes_ + bytes <= cache_bytes_ && cache_.emplace(sample, decoded).second) cached_bytes_ += bytes;
  }
  LabeledImage picture{decoded.image, wanted.objects, {wanted.height, wanted.width}, decoded.divisor};
  const float scale = 1.f / static_cast<float>(decoded.divisor);
  for (Object& object : picture.objects)
    for (float* side : {&object.x1, &object.y1, &object.x2, &object.y2}) *side *= scale;
  return picture;
}

ImageSource::Decoded ImageSource::decode(size_t index) {
  const Sample& sample = dataset_.samples[index];
  try {
    std::vector<uint8_t> memory = pool_->take(bytes(index));
    ImageOptions options = options_;
    options.memory = &memory;
    options.annotated_width = sample.width;
    options.annotated_height = sample.height;
    DecodedImage decoded = read_image_file(dataset_.image_root / sample.file_name, options);
    if (decoded.full_width != sample.width || decoded.full_height != sample.height)
      throw Error(ErrorKind::Data,
                  fmt::format("{}: the image is {}x{}, the annotations say {}x{}", printable(sample.file_name),
                              decoded.full_width, decoded.full_height, sample.width, sample.height));
    if (!decoded.damage.empty()) bad_files_.keep(sample.file_name, decoded.damage);
    return {pool_->lend(std::move(decoded.image)), decoded.divisor};
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Data) throw;
    bad_files_.add(sample.file_name, error.what());
    return {};
  }
}

}  // namespace fovea
