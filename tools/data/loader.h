// Decodes images ahead of their use on worker threads, in bounded memory. What a batch holds depends on the seed and
// its position only: not on the number of threads, nor on which of them was faster.
#pragma once
#include <condition_variable>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "tools/config/config.h"
#include "tools/data/bad_files.h"
#include "tools/data/coco.h"
#include "tools/data/image_file.h"
#include "tools/data/sampler.h"

namespace fovea {

struct Size {
  int height, width;
};

// The size of an image in the network: short side to `short_side`, unless the long side would exceed `long_side`;
// rounded as torchvision's GeneralizedRCNNTransform does (the ratio in fp32, the size cut). At least 1.
Size resized(Size image, int short_side, int long_side);

struct LoadedImage {
  std::shared_ptr<const Image> image;
  const Sample* sample = nullptr;
  Size size{};  // to resize to
  bool flip = false;
};

// Which part of each batch is this process's: its images rank · batch … of the batch · ranks that all take together.
struct DataShare {
  int rank = 0, ranks = 1;
};

struct LoaderOptions {
  int batch = 1;  // images of this rank
  DataShare share;
  bool training = true;  // shuffled endlessly and augmented; else every sample once over all ranks, in order
  uint64_t seed = 0;
  int64_t first_batch = 0;
  int64_t batches = -1;  // training: where to stop decoding ahead
};

class Loader {
 public:
  // `dataset` and `bad_files` outlive the loader.
  Loader(const Dataset& dataset, const InputConfig& input, const LoaderOptions& options, BadFiles& bad_files);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next batch. Training: always full; an unreadable image gives its place to the next readable sample of the data
  // set. Otherwise: unreadable images are left out, and the result is empty at the end. Throws what decoding threw
  // beyond bad files.
  std::vector<LoadedImage> next();

 private:
  void work();
  int64_t position(int64_t index) const;
  std::optional<LoadedImage> load(int64_t index);
  std::shared_ptr<const Image> decode(size_t sample);

  const Dataset& dataset_;
  InputConfig input_;
  LoaderOptions options_;
  BadFiles& bad_files_;
  int64_t end_;  // one past the last index of this rank's images, of which position() is the place among all

  std::mutex mutex_;
  std::condition_variable changed_;
  Sampler sampler_;  // guarded, like all that follows
  int64_t next_to_load_, consumed_;
  std::map<int64_t, std::optional<LoadedImage>> ready_;
  std::exception_ptr failure_;
  bool stopping_ = false;
  std::map<size_t, std::shared_ptr<const Image>> cache_;  // nullptr: unreadable
  size_t cached_bytes_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace fovea
