#include "tools/data/loading/loader.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/printable.h"
#include "kernels/device/threads.h"
#include "kernels/error.h"
#include "kernels/interrupt.h"
#include "tools/data/loading/augment.h"

namespace fovea {

namespace {

// How many of `count` samples in a row fall to this rank.
int64_t samples_of_rank(int64_t count, const LoaderOptions& options) {
  const int64_t of_all = int64_t{options.batch} * options.share.ranks;
  const int64_t rest = count % of_all - int64_t{options.share.rank} * options.batch;
  return count / of_all * options.batch + std::clamp<int64_t>(rest, 0, options.batch);
}

constexpr std::chrono::milliseconds kLooksForStop(100);

constexpr size_t megabytes(int count) { return static_cast<size_t>(count) << 20; }

// The sample, or the next one that can be read.
std::pair<LabeledImage, const Sample*> readable_from(ImageSource& pictures, size_t sample) {
  const auto& samples = pictures.dataset().samples;
  for (size_t attempt = 0; attempt < samples.size(); ++attempt) {
    const size_t tried = (sample + attempt) % samples.size();
    if (LabeledImage picture = pictures.read(tried); picture.image) return {std::move(picture), &samples[tried]};
  }
  throw Error(ErrorKind::Data,
              printable(pictures.dataset().image_root.native()) + ": no image of the dataset can be read");
}

// All that is drawn for a sample, in this order.
LoadedImage drawn(ImageSource& pictures, const InputConfig& input, uint64_t seed, Sampler::Draw draw, size_t& scale) {
  LoadedImage loaded;
  auto [picture, sample] = readable_from(pictures, draw.sample);
  Random random(seed, stream::kAugment, draw.epoch, draw.sample);
  loaded.flip = random.uniform() < input.flip;
  scale = random.below(static_cast<uint32_t>(input.short_side.size()));
  Rgb mean;
  for (size_t c = 0; c < 3; ++c)
    mean[c] = static_cast<uint8_t>(std::clamp<long>(std::lround(255 * input.mean[c]), 0, 255));
  const auto another = [&] {
    const auto count = static_cast<uint32_t>(pictures.dataset().samples.size());
    return readable_from(pictures, random.below(count)).first;
  };
  static_cast<LabeledImage&>(loaded) = augmented(std::move(picture), input.augment, mean, random, another);
  loaded.sample = sample;
  return loaded;
}

}  // namespace

PixelView LoadedImage::pixels() const {
  if (borrowed) return *borrowed;
  return {.data = image->rgb.data(),
          .width = image->width,
          .height = image->height,
          .row_stride = int64_t{3} * image->width};
}

LabeledImage augmented_sample(ImageSource& pictures, const InputConfig& input, uint64_t seed, uint32_t epoch,
                              uint32_t sample) {
  size_t scale = 0;
  const LoadedImage loaded = drawn(pictures, input, seed, {epoch, sample}, scale);
  if (loaded.flip) return flipped_horizontally(loaded);
  return loaded;
}

Loader::Loader(const Dataset& dataset, const InputConfig& input, const LoaderOptions& options, BadFiles& bad_files)
    : dataset_(dataset),
      input_(input),
      options_(options),
      // What is asked for once only need not be kept.
      pictures_(dataset, input, bad_files, options.training ? megabytes(input.cache_mb) : 0),
      buckets_(options.training ? ShapeBuckets(dataset, input) : ShapeBuckets()),
      sampler_(options.seed, static_cast<uint32_t>(dataset.samples.size()),
               {buckets_.of_samples(), int64_t{options.batch} * options.share.ranks}) {
  require(!dataset.samples.empty(), "a loader without samples");
  next_to_load_ = consumed_ = options.first_batch * options.batch;
  end_ = options.training ? (options.batches < 0 ? INT64_MAX : options.batches * options.batch)
                          : samples_of_rank(static_cast<int64_t>(dataset.samples.size()), options);
  const int cores = usable_cores();
  const int workers = input.workers > 0 ? input.workers : std::clamp(cores, 1, 8);
  threads_ = start_threads(static_cast<size_t>(workers), [this] { work(); });
}

Loader::~Loader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Loader::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopping_ || next_to_load_ >= end_ || may_start(); });
    if (stopping_ || next_to_load_ >= end_) return;
    const Task task = *next_task_;
    next_task_.reset();
    ++next_to_load_;
    bytes_ahead_ += task.bytes;
    most_bytes_ahead_ = std::max(most_bytes_ahead_, bytes_ahead_);
    lock.unlock();
    std::optional<LoadedImage> loaded;
    std::exception_ptr failure;
    try {
      loaded = load(task);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure) {
      failure_ = failure;
      stopping_ = true;
    }
    bytes_ahead_ = bytes_ahead_ - task.bytes + (loaded ? loaded->image->rgb.size() : 0);
    most_bytes_ahead_ = std::max(most_bytes_ahead_, bytes_ahead_);
    ready_[task.index] = std::move(loaded);
    changed_.notify_all();
  }
}

// The batch that is waited for is made whatever it takes; those after it, as long as there is room.
bool Loader::may_start() {
  const int64_t batch = options_.batch;
  if (next_to_load_ >= consumed_ + input_.prefetch * batch) return false;
  if (!next_task_) next_task_ = task_of(next_to_load_);
  return next_to_load_ < (consumed_ / batch + 1) * batch ||
         bytes_ahead_ + next_task_->bytes <= megabytes(input_.prefetch_mb);
}

int64_t Loader::position(int64_t index) const {
  const int64_t step = index / options_.batch;
  return (step * options_.share.ranks + options_.share.rank) * options_.batch + index % options_.batch;
}

Loader::Task Loader::task_of(int64_t index) {
  const int64_t at = position(index);
  Task task{.index = index, .draw = {0, static_cast<uint32_t>(at)}, .scale = 0, .slot = {}, .bytes = 0};
  if (options_.training) task.draw = sampler_.at(at);
  task.bytes = pictures_.bytes(task.draw.sample);
  if (buckets_.empty()) return task;
  const int64_t step = index / options_.batch, of_all = int64_t{options_.batch} * options_.share.ranks;
  Random random(options_.seed, stream::kBatchScale, static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32));
  task.scale = random.below(static_cast<uint32_t>(input_.short_side.size()));
  for (int64_t other = step * of_all; other < (step + 1) * of_all; ++other) {
    const uint32_t bucket = buckets_.of_samples()[sampler_.at(other).sample];
    task.slot = around(task.slot, buckets_.slot(bucket, task.scale));
  }
  return task;
}

std::optional<LoadedImage> Loader::load(const Task& task) {
  LoadedImage loaded;
  size_t scale = input_.short_side.size() - 1;
  if (options_.training) {
    loaded = drawn(pictures_, input_, options_.seed, task.draw, scale);
  } else {
    static_cast<LabeledImage&>(loaded) = pictures_.read(task.draw.sample);
    loaded.sample = &dataset_.samples[task.draw.sample];
    if (!loaded.image) return std::nullopt;
  }
  if (!buckets_.empty()) scale = task.scale;
  loaded.size = resized(loaded.full, input_.short_side[scale], input_.long_side);
  if (buckets_.empty()) return loaded;
  loaded.slot = task.slot;
  loaded.size = fitted(loaded.size, loaded.slot);
  return loaded;
}

std::vector<LoadedImage> Loader::next() {
  std::unique_lock lock(mutex_);
  std::vector<LoadedImage> batch;
  const int64_t last = std::min(consumed_ + options_.batch, end_);
  while (batch.empty() && consumed_ < last) {
    for (; consumed_ < last; ++consumed_) {
      const auto is_ready = [&] { return failure_ || ready_.contains(consumed_); };
      while (!changed_.wait_for(lock, kLooksForStop, is_ready)) end_if_requested();
      if (failure_) std::rethrow_exception(failure_);
      auto entry = ready_.extract(consumed_);
      if (entry.mapped()) {
        bytes_ahead_ -= entry.mapped()->image->rgb.size();
        batch.push_back(std::move(*entry.mapped()));
      }
      changed_.notify_all();
    }
  }
  return batch;
}

LoaderMemory Loader::memory() {
  const std::lock_guard lock(mutex_);
  return {pictures_.cached_bytes(), bytes_ahead_, most_bytes_ahead_};
}

}  // namespace fovea
