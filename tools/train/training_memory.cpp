#include "tools/train/training_memory.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "engine/optimizer.h"
#include "kernels/device/cuda_device.h"
#include "kernels/device/gpu.h"
#include "kernels/launch/math.h"
#include "model/trace.h"
#include "tools/text/advice.h"
#include "tools/train/step.h"

namespace fovea {

namespace {

constexpr double kMiB = 1 << 20;
// A step takes at most a quarter more than its tensors are counted to be, for gaps between them and workspaces of
// cuDNN's plans, and what these have at least.
constexpr double kMore = 1.25, kWorkspaces = 4 << 20;
// Of the GPU's memory, what the batch that is named leaves: room for the code of kernels, which is loaded as it is
// needed.
constexpr size_t kSpare = 64;  // 1 / 64

// Of an image, what passes around a convolution's plan keep in a queue's workspace: at most one tensor of the layer's
// input or output, with channels padded.
size_t scratch_of(const std::vector<ConvTrace>& layers, DType dtype) {
  int64_t most = 0;
  for (const ConvTrace& layer : layers) most = std::max({most, layer.shape.input_count(), layer.shape.output_count()});
  return static_cast<size_t>(most) * size_of(dtype);
}

}  // namespace

size_t MemoryNeeds::at_most(int images) const {
  return static_cast<size_t>(kWorkspaces +
                             kMore * static_cast<double>(besides + (an_image + scratch) * static_cast<size_t>(images)));
}

size_t training_peak(Context& context, RetinaNet& model, const Shape& images) {
  context.memory.reset_peak();
  context.queue.record([&] {
    Tape tape(context, /*training=*/true);
    model.parameters().bind_gradients(tape, false);
    const Outputs outputs = model.forward(tape, context.empty(images, context.activation_dtype));
    for (const auto* levels : {&outputs.logits, &outputs.deltas})
      for (const Tensor& level : *levels) tape.gradients().give(level, level);
    tape.backward();
  });
  return context.memory.statistics().peak;
}

MemoryNeeds training_needs(const Config& config, DType activations, const BatchShape& shape, size_t kept) {
  Context context(DeviceKind::Cpu, activations == DType::BF16 ? Precision::BF16 : Precision::F32);
  RetinaNet model(context, config.model, std::nullopt);
  const size_t before = context.memory.statistics().total;
  const auto images = [&](int64_t count) { return Shape{count, shape.height, shape.width, 3}; };
  const auto peak = [&](int64_t count) { return training_peak(context, model, images(count)) - before; };
  const auto layers = traced_layers(context, model, images(1), /*training=*/true);
  const size_t one = peak(1), an_image = peak(2) - one;
  return {.an_image = an_image, .besides = kept + one - an_image, .scratch = scratch_of(layers, activations)};
}

size_t memory_of_training(const Config& config, const BatchShape& shape, const std::vector<LoadedImage>& like,
                          bool record) {
  const Gpu::Described gpu;
  Context context(DeviceKind::Cuda, config.precision, config.convolution);
  RetinaNet model(context, config.model, std::nullopt);
  Optimizer optimizer(context, model.parameters(), config.train.optimizer);
  TrainingSteps steps(model, optimizer, config.input, record);
  std::vector<LoadedImage> batch;
  for (size_t i = 0; i < static_cast<size_t>(shape.images); ++i) batch.push_back(like[i % like.size()]);
  for (int i = 0; i < 3; ++i) {  // what is kept for two batches under way is there by then
    steps.enqueue(batch, shape, 0);
    steps.finished(0);
  }
  return gpu.peak();
}

namespace {

const LoadedImage& largest_of(const std::vector<LoadedImage>& images) {
  return *std::max_element(images.begin(), images.end(), [](const LoadedImage& a, const LoadedImage& b) {
    return a.image->rgb.size() < b.image->rgb.size();
  });
}

// The most images of which `need` fits, fewer than `above`, of which it does not: it grows by about as much with each.
int most_images(const std::function<size_t(int)>& need, int above, size_t available) {
  int fits = 0, fits_not = above;
  size_t low = 0, high = need(above);
  for (int guess = 1; fits_not - fits > 1;) {
    const size_t needed = need(guess);
    (needed <= available ? fits : fits_not) = guess;
    (needed <= available ? low : high) = needed;
    if (fits == 0) return 0;
    const double an_image = static_cast<double>(high - low) / (fits_not - fits);
    const int room = static_cast<int>(static_cast<double>(available - low) / an_image);
    guess = fits + std::min(std::max(room, 1), fits_not - fits - 1);
  }
  return fits;
}

}  // namespace

void require_fits(Context& context, const Config& config, const BatchShape& shape,
                  const std::vector<LoadedImage>& loaded, int ranks) {
  const MemoryStatistics& held = context.memory.statistics();
  const size_t available =
      gpu_memory().available + held.reserved + context.queue.workspace_bytes() + context.convolution.cached_bytes();
  const MemoryNeeds bound =
      training_needs(config, context.activation_dtype, shape, held.total + PixelStaging::room_for(loaded));
  if (bound.at_most(shape.images) <= available) return;
  const size_t needed = memory_of_training(config, shape, loaded);
  if (needed <= available) {
    // Gaps that recordings leave behind could cost more than the step has left.
    const bool records = config.train.record && !context.recordings.given_up();
    if (records && memory_of_training(config, shape, loaded, /*record=*/true) > available) context.recordings.give_up();
    return;
  }
  const std::vector<LoadedImage> like{largest_of(loaded)};
  const auto need = [&](int images) {
    BatchShape of_so_many = shape;
    of_so_many.images = images;
    return memory_of_training(config, of_so_many, like);
  };
  const int most = most_images(need, shape.images, available - available / kSpare) * ranks;
  const std::string fitting = most > 0 ? fmt::format("the largest train.batch that fits is {}", most)
                                       : "not even one image fits: use a smaller input.short_side";
  throw Error(
      ErrorKind::OutOfMemory,
      fmt::format("train.batch={} does not fit into the GPU's memory: {} images of {} x {} need {:.0f} MiB "
                  "({:.0f} of them for weights, gradients and optimizer state), {:.0f} are available; {}{}",
                  shape.images * ranks, shape.images, shape.height, shape.width, static_cast<double>(needed) / kMiB,
                  static_cast<double>(held.total) / kMiB, static_cast<double>(available) / kMiB, fitting,
                  context.activation_dtype == DType::F32 ? ", or " + advise(advice::kUseBf16) : ""));
}

void require_batch_fits(const Context& context, const Config& config, int ranks) {
  if (context.queue.on_cuda()) return;
  const int images = config.train.batch / ranks;
  const int side = *std::min_element(config.input.short_side.begin(), config.input.short_side.end());
  const double smallest = std::min(side, config.input.long_side);
  constexpr int kSide = 256;  // large enough for any network; what an image needs grows with its area
  const int padded = ceil_div(kSide, config.input.pad_to) * config.input.pad_to;
  const MemoryNeeds needs =
      training_needs(config, context.activation_dtype, {.images = 1, .height = padded, .width = padded}, 0);
  const double an_image = static_cast<double>(needs.an_image) * smallest * smallest / (double{1} * padded * padded);
  const double memory = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  const double needed = an_image * images;
  if (needed <= memory) return;
  throw Error(
      ErrorKind::OutOfMemory,
      fmt::format("a step of {} images needs more than {:.0f} MB of memory, and the machine has {:.0f}: a "
                  "smaller train.batch, at most {}, may fit",
                  images, needed / kMiB, memory / kMiB, std::max<int64_t>(1, static_cast<int64_t>(memory / an_image))));
}

}  // namespace fovea
