// Memory of images that are no longer needed, for the next ones: new pages cost a fifth of decoding a photograph.
#pragma once
#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tools/image/image_file.h"

namespace fovea {

class PixelPool : public std::enable_shared_from_this<PixelPool> {
 public:
  // Keeps so many bytes at most.
  explicit PixelPool(size_t bytes) : limit_(bytes) {}

  // From any thread, as all of it: memory for so many bytes, or a little more; empty where there is none.
  std::vector<uint8_t> take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(free_.begin(), free_.end(), [&](const auto& pixels) {
      return pixels.capacity() >= bytes && pixels.capacity() <= bytes + bytes / 8;
    });
    if (found == free_.end()) return {};
    std::vector<uint8_t> pixels = std::move(*found);
    free_.erase(found);
    bytes_ -= pixels.capacity();
    return pixels;
  }

  // The image, whose memory comes back here when nobody needs it.
  std::shared_ptr<Image> lend(Image image) {
    return {new Image(std::move(image)), [pool = shared_from_this()](Image* used) {
              pool->give(std::move(used->rgb));
              delete used;
            }};
  }

 private:
  void give(std::vector<uint8_t> pixels) {
    const std::lock_guard lock(mutex_);
    if (bytes_ + pixels.capacity() > limit_) return;
    bytes_ += pixels.capacity();
    free_.push_back(std::move(pixels));
  }

  size_t limit_, bytes_ = 0;
  std::mutex mutex_;
  std::vector<std::vector<uint8_t>> free_;
};

}  // namespace fovea
