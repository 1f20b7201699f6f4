#include "tools/train/training_memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/cuda_device.h"

namespace fovea {

namespace {

constexpr double kMiB = 1 << 20;
// A step takes between a tenth less than its tensors are counted to be (a GPU's passes need fewer than the CPU's, which
// are counted) and a quarter more, for gaps between them and workspaces of cuDNN's plans, and what these have at least.
constexpr double kLess = 0.9, kMore = 1.25;
constexpr double kWorkspaces = 4 << 20;

// Of an image, what passes around a convolution's plan keep in a queue's workspace: at most one tensor of the layer's
// input or output, with channels padded.
size_t scratch_of(const std::vector<ConvTrace>& layers, DType dtype) {
  int64_t most = 0;
  for (const ConvTrace& layer : layers) most = std::max({most, layer.shape.input_count(), layer.shape.output_count()});
  return static_cast<size_t>(most) * size_of(dtype);
}

}  // namespace

size_t MemoryNeeds::at_least(int images) const {
  return static_cast<size_t>(kLess * static_cast<double>(tensors(images)));
}

size_t MemoryNeeds::at_most(int images) const {
  return static_cast<size_t>(kWorkspaces +
                             kMore * static_cast<double>(tensors(images) + scratch * static_cast<size_t>(images)));
}

int MemoryNeeds::most_images(size_t bytes) const {
  const double left = (static_cast<double>(bytes) - kWorkspaces) / kMore - static_cast<double>(besides);
  return left < 0 ? 0 : static_cast<int>(left / static_cast<double>(an_image + scratch));
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
  RetinaNet model(context, config.model, config.seed);
  const size_t before = context.memory.statistics().total;
  std::vector<ConvTrace> layers;
  context.trace = &layers;
  const auto peak = [&](int64_t images) {
    return training_peak(context, model, {images, shape.height, shape.width, 3}) - before;
  };
  const size_t one = peak(1);
  context.trace = nullptr;
  const size_t an_image = peak(2) - one;
  return {.an_image = an_image, .besides = kept + one - an_image, .scratch = scratch_of(layers, activations)};
}

void require_fits(Context& context, const Config& config, const BatchShape& shape, int ranks) {
  const MemoryStatistics& held = context.memory.statistics();
  const MemoryNeeds needs = training_needs(config, context.activation_dtype, shape, held.total);
  const size_t available = gpu_memory().available + held.reserved;
  if (needs.at_least(shape.images) <= available) return;
  const int most = needs.most_images(available) * ranks;
  const std::string fitting = most > 0 ? fmt::format("the largest train.batch that fits is about {}", most)
                                       : "not even one image does: use a smaller input.short_side";
  throw Error(
      ErrorKind::OutOfMemory,
      fmt::format(
          "train.batch={} does not fit into the GPU's memory: {} images of {} x {} need {:.0f} MiB at the least "
          "(activations {:.0f}; weights, gradients, optimiser state {:.0f}), there are {:.0f}; {}{}",
          shape.images * ranks, shape.images, shape.height, shape.width,
          static_cast<double>(needs.at_least(shape.images)) / kMiB,
          static_cast<double>(needs.an_image * static_cast<size_t>(shape.images)) / kMiB,
          static_cast<double>(needs.besides) / kMiB, static_cast<double>(available) / kMiB, fitting,
          context.activation_dtype == DType::F32 ? ", or --precision bf16" : ""));
}

}  // namespace fovea
