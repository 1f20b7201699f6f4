#include "tools/detect/images_ahead.h"

#include "kernels/launch/math.h"
#include "tools/data/loading/image_source.h"
#include "tools/image/image_size.h"

namespace fovea {
namespace {

constexpr size_t kPoolBytes = size_t{64} << 20;

ImagesAhead::Loaded load(const std::filesystem::path& file, const InputConfig& input, PixelPool& pool, size_t bytes) {
  ImagesAhead::Loaded loaded;
  try {
    std::vector<uint8_t> memory = pool.take(bytes);
    ImageOptions options = image_options(input);
    options.memory = &memory;
    DecodedImage decoded = read_image_file(file, options);
    loaded.pixels = pool.lend(std::move(decoded.image));
    loaded.image = as_loaded(decoded, loaded.pixels, input);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Data) throw;
    loaded.fault = error.what();
  }
  return loaded;
}

}  // namespace

ImagesAhead::ImagesAhead(const std::vector<ListedImage>& images, const InputConfig& input, WorkerPool& pool,
                         size_t most_bytes)
    : images_(images),
      input_(input),
      pool_(pool),
      most_bytes_(most_bytes),
      pixels_(std::make_shared<PixelPool>(kPoolBytes)) {}

std::optional<ImagesAhead::Loaded> ImagesAhead::next() {
  start();
  if (tasks_.empty()) return std::nullopt;
  Loaded loaded = tasks_.front().result.get();
  bytes_ -= tasks_.front().bytes;
  tasks_.pop_front();
  start();
  return loaded;
}

void ImagesAhead::start() {
  const auto most = 2 * static_cast<size_t>(pool_.threads());
  for (; next_ < images_.size() && tasks_.size() < most; ++next_) {
    const std::filesystem::path& file = images_[next_].file;
    if (!next_bytes_) next_bytes_ = bytes_of(file);
    if (!tasks_.empty() && bytes_ + *next_bytes_ > most_bytes_) return;
    bytes_ += *next_bytes_;
    tasks_.push_back({*next_bytes_, pool_.submit([file, input = input_, pixels = pixels_, bytes = *next_bytes_] {
                        return load(file, input, *pixels, bytes);
                      })});
    next_bytes_.reset();
  }
}

// Decoded; 0 of a file that loading will complain of.
size_t ImagesAhead::bytes_of(const std::filesystem::path& file) const {
  try {
    const ImageSize size = read_image_size(file);
    if (int64_t{size.width} > input_.max_pixels / size.height) return 0;
    const int divisor = jpeg_divisor({size.height, size.width}, input_);
    return size_t{3} * ceil_div(size.width, divisor) * ceil_div(size.height, divisor);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Data) throw;
    return 0;
  }
}

}  // namespace fovea
