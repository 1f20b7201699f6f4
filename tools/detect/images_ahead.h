// Images of files, decoded ahead of their use by several threads, in their order and in bounded memory.
#pragma once
#include <deque>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "tools/detect/detector.h"  // IWYU pragma: export
#include "tools/detect/image_list.h"
#include "tools/detect/worker_pool.h"
#include "tools/image/pixel_pool.h"

namespace fovea {

class ImagesAhead {
 public:
  // All of them outlive this. `most_bytes`: of images that wait to be used; one waits whatever it takes.
  static constexpr size_t kMostBytes = size_t{256} << 20;
  ImagesAhead(const std::vector<ListedImage>& images, const InputConfig& input, WorkerPool& pool,
              size_t most_bytes = kMostBytes);

  struct Loaded {
    LoadedImage image;
    std::shared_ptr<Image> pixels;  // the same, to draw on when nobody needs them as they are
    std::string fault;              // why there is no image
  };
  // None at the end. Throws what is no fault of the file.
  std::optional<Loaded> next();

 private:
  struct Task {
    size_t bytes;
    std::future<Loaded> result;
  };
  void start();
  size_t bytes_of(const std::filesystem::path& file) const;

  const std::vector<ListedImage>& images_;
  InputConfig input_;
  WorkerPool& pool_;
  size_t most_bytes_, next_ = 0, bytes_ = 0;
  std::optional<size_t> next_bytes_;  // of the image that is loaded next
  std::shared_ptr<PixelPool> pixels_;
  std::deque<Task> tasks_;
};

}  // namespace fovea
