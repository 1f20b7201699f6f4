#include "tools/data/loader.h"

#include <algorithm>
#include <cmath>

#include "engine/random.h"
#include "kernels/error.h"

namespace fovea {

Size resized(Size image, int short_side, int long_side) {
  const auto low = static_cast<float>(std::min(image.height, image.width)),
             high = static_cast<float>(std::max(image.height, image.width));
  const double ratio = std::min(static_cast<float>(short_side) / low, static_cast<float>(long_side) / high);
  const auto scaled = [&](int size) { return std::max(1, static_cast<int>(std::floor(size * ratio))); };
  return {scaled(image.height), scaled(image.width)};
}

namespace {
// How many of `count` samples in a row fall to this rank.
int64_t samples_of_rank(int64_t count, const LoaderOptions& options) {
  const int64_t of_all = int64_t{options.batch} * options.share.ranks;
  const int64_t rest = count % of_all - int64_t{options.share.rank} * options.batch;
  return count / of_all * options.batch + std::clamp<int64_t>(rest, 0, options.batch);
}
}  // namespace

Loader::Loader(const Dataset& dataset, const InputConfig& input, const LoaderOptions& options, BadFiles& bad_files)
    : dataset_(dataset),
      input_(input),
      options_(options),
      bad_files_(bad_files),
      sampler_(options.seed, static_cast<uint32_t>(dataset.samples.size())) {
  require(!dataset.samples.empty(), "a loader needs samples");
  next_to_load_ = consumed_ = options.first_batch * options.batch;
  end_ = options.training ? (options.batches < 0 ? INT64_MAX : options.batches * options.batch)
                          : samples_of_rank(static_cast<int64_t>(dataset.samples.size()), options);
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const int workers = input.workers > 0 ? input.workers : std::clamp(cores, 1, 8);
  for (int i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
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
    const auto window = int64_t{input_.prefetch} * options_.batch;
    changed_.wait(lock, [&] { return stopping_ || next_to_load_ >= end_ || next_to_load_ < consumed_ + window; });
    if (stopping_ || next_to_load_ >= end_) return;
    const int64_t index = next_to_load_++;
    lock.unlock();
    std::optional<LoadedImage> loaded;
    std::exception_ptr failure;
    try {
      loaded = load(index);
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    if (failure) {
      failure_ = failure;
      stopping_ = true;
    }
    ready_[index] = std::move(loaded);
    changed_.notify_all();
  }
}

int64_t Loader::position(int64_t index) const {
  const int64_t step = index / options_.batch;
  return (step * options_.share.ranks + options_.share.rank) * options_.batch + index % options_.batch;
}

std::optional<LoadedImage> Loader::load(int64_t index) {
  index = position(index);
  Sampler::Draw draw{0, static_cast<uint32_t>(index)};
  if (options_.training) {
    const std::lock_guard lock(mutex_);
    draw = sampler_.at(index);
  }
  const size_t count = dataset_.samples.size();
  for (size_t attempt = 0; attempt < count; ++attempt) {
    const size_t sample = (draw.sample + attempt) % count;
    LoadedImage loaded{.image = decode(sample), .sample = &dataset_.samples[sample]};
    if (!loaded.image && !options_.training) return std::nullopt;
    if (!loaded.image) continue;
    int short_side = input_.short_side.back();
    if (options_.training) {
      Random random(options_.seed, stream::kAugment, draw.epoch, draw.sample);
      loaded.flip = random.uniform() < input_.flip;
      short_side = input_.short_side[random.below(static_cast<uint32_t>(input_.short_side.size()))];
    }
    loaded.size = resized({loaded.image->height, loaded.image->width}, short_side, input_.long_side);
    return loaded;
  }
  throw Error(ErrorKind::Data, dataset_.image_root.string() + ": not one image of the data set can be read");
}

std::shared_ptr<const Image> Loader::decode(size_t sample) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = cache_.find(sample);
    if (found != cache_.end()) return found->second;
  }
  const Sample& wanted = dataset_.samples[sample];
  std::shared_ptr<const Image> image;
  try {
    image = std::make_shared<const Image>(read_image(dataset_.image_root / wanted.file_name));
    if (image->width != wanted.width || image->height != wanted.height) {
      const std::string sizes = std::to_string(image->width) + "x" + std::to_string(image->height) +
                                ", the annotations say " + std::to_string(wanted.width) + "x" +
                                std::to_string(wanted.height);
      throw Error(ErrorKind::Data, wanted.file_name + ": the image is " + sizes);
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Data) throw;
    image = nullptr;
    bad_files_.add(wanted.file_name, error.what());
  }
  const size_t bytes = image ? image->rgb.size() : 0;
  const std::lock_guard lock(mutex_);
  if (cached_bytes_ + bytes <= static_cast<size_t>(input_.cache_mb) << 20 && cache_.emplace(sample, image).second)
    cached_bytes_ += bytes;
  return image;
}

std::vector<LoadedImage> Loader::next() {
  std::unique_lock lock(mutex_);
  std::vector<LoadedImage> batch;
  const int64_t last = std::min(consumed_ + options_.batch, end_);
  while (batch.empty() && consumed_ < last) {
    for (; consumed_ < last; ++consumed_) {
      changed_.wait(lock, [&] { return failure_ || ready_.contains(consumed_); });
      if (failure_) std::rethrow_exception(failure_);
      auto entry = ready_.extract(consumed_);
      if (entry.mapped()) batch.push_back(std::move(*entry.mapped()));
      changed_.notify_all();
    }
  }
  return batch;
}

}  // namespace fovea
