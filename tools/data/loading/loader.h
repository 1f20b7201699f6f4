// Decodes and augments images ahead of their use on worker threads, in bounded memory. What a batch holds depends on
// the seed and its position only: not on the number of threads, nor on which of them was faster.
//
// Memory: input.cache_mb of cached images, and of images made ahead input.prefetch_mb or the batch that is waited for,
// whichever is more; beside these 64 MB of memory for the next images, and each thread holds the file and the image
// that it is at (five images in a mosaic).
#pragma once
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "kernels/image.h"
#include "tools/data/loading/image_source.h"
#include "tools/data/loading/sampler.h"
#include "tools/data/loading/shape_buckets.h"

namespace fovea {

// 8-bit pixels where they lie.
struct PixelView {
  const uint8_t* data = nullptr;
  int width = 0, height = 0;
  int64_t row_stride = 0;  // bytes from one row to the next
  kernels::PixelForm form{};
  bool on_gpu = false;     // the memory of the GPU that is used; else the host's
  void* stream = nullptr;  // then: the cudaStream_t whose work so far writes them

  size_t row_bytes() const { return static_cast<size_t>(width) * form.bytes; }
  // Of the host's memory, rows without gaps.
  size_t host_bytes() const { return on_gpu ? 0 : row_bytes() * static_cast<size_t>(height); }
};

struct LoadedImage : LabeledImage {
  std::optional<PixelView> borrowed;  // somebody else's, who keeps them until the work is done: `image` is empty
  const Sample* sample = nullptr;
  Size2d size{};  // to resize to
  Size2d slot{};  // what the batch's images are padded to at least
  bool flip = false;

  PixelView pixels() const;
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

struct LoaderMemory {
  size_t cached, ahead, most_ahead;  // bytes of images
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

  LoaderMemory memory();

 private:
  struct Task {  // an image to make
    int64_t index;
    Sampler::Draw draw;
    size_t scale;  // of input.short_side, where batches have one
    Size2d slot;
    size_t bytes;  // of the image, as foreseen
  };
  void work();
  bool may_start();
  Task task_of(int64_t index);
  int64_t position(int64_t index) const;
  std::optional<LoadedImage> load(const Task& task);

  const Dataset& dataset_;
  InputConfig input_;
  LoaderOptions options_;
  ImageSource pictures_;
  ShapeBuckets buckets_;
  int64_t end_;  // one past the last index of this rank's images, of which position() is the place among all

  std::mutex mutex_;
  std::condition_variable changed_;
  Sampler sampler_;  // guarded, like all that follows
  int64_t next_to_load_, consumed_;
  std::optional<Task> next_task_;
  std::map<int64_t, std::optional<LoadedImage>> ready_;
  size_t bytes_ahead_ = 0, most_bytes_ahead_ = 0;  // of images that are made or being made, and not yet handed out
  std::exception_ptr failure_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// What training makes of a sample in an epoch before it is resized, flipped left to right where that is drawn.
LabeledImage augmented_sample(ImageSource& pictures, const InputConfig& input, uint64_t seed, uint32_t epoch,
                              uint32_t sample);

}  // namespace fovea
