#include "tools/detect/detector.h"

namespace fovea {

namespace {
constexpr size_t kShapes = 16;  // whose recordings are kept
}

Detector::Detector(RetinaNet& model, const InputConfig& input)
    : model_(model), input_(input), pixels_(model.context()), shapes_(kShapes) {}

std::vector<std::vector<Detected>> Detector::detect(const std::vector<LoadedImage>& images) {
  Context& context = model_.context();
  const BatchShape shape = shape_of(images, input_, /*with_boxes=*/false);
  OfShape& step = shapes_.at(shape, [&] { return OfShape{.input = BatchInput(context, shape, input_)}; });
  step.input.load(images, pixels_.upload(images), 0);
  const auto body = [&] {
    Tape tape(context, /*training=*/false);
    const DeviceBatch batch = step.input.prepare();
    step.found = model_.detect(model_.forward(tape, batch.images), batch.size, batch.image_sizes, batch.image_scale);
  };
  // Forms derived from the weights are made where these have changed, and a recording takes them as made.
  if (revision_ != model_.parameters().revision())
    context.queue.rehearse(body);
  else
    step.work.run(context, body);
  pixels_.used();
  revision_ = model_.parameters().revision();
  return to_host(step.found);
}

}  // namespace fovea
