// The pictures of a dataset: decoded, checked against the annotations, kept in memory up to a limit.
#pragma once
#include <atomic>
#include <mutex>
#include <unordered_map>

#include "tools/config/config.h"
#include "tools/data/bad_files.h"
#include "tools/data/loading/labeled_image.h"
#include "tools/image/pixel_pool.h"

namespace fovea {

// How many times smaller (1, 2, 4 or 8) a JPEG of this size can be decoded and still be as large as the network, or the
// smallest crop, needs it.
int jpeg_divisor(Size2d image, const InputConfig& input);
// What `input` says of reading images.
ImageOptions image_options(const InputConfig& input, OnBad bad_images = OnBad::Skip);

class ImageSource {
 public:
  // `dataset` and `bad_files` outlive the source.
  ImageSource(const Dataset& dataset, const InputConfig& input, BadFiles& bad_files, size_t cache_bytes);

  // From any thread; the same whatever the cache holds. No image: the file cannot be used, and stands in the list of
  // bad files. Throws as BadFiles::add.
  LabeledImage read(size_t sample);
  // Of its decoded image, as the annotations have its size.
  size_t bytes(size_t sample) const;

  size_t cached_bytes() const { return cached_bytes_; }
  const Dataset& dataset() const { return dataset_; }

 private:
  struct Decoded {
    std::shared_ptr<const Image> image;
    int divisor = 1;
  };
  Decoded decode(size_t index);

  const Dataset& dataset_;
  InputConfig input_;
  BadFiles& bad_files_;
  size_t cache_bytes_;
  ImageOptions options_;
  std::shared_ptr<PixelPool> pool_;
  std::mutex mutex_;
  std::unordered_map<size_t, Decoded> cache_;  // what came first stays: endless epochs gain nothing by exchanging it
  std::atomic<size_t> cached_bytes_ = 0;
};

}  // namespace fovea
