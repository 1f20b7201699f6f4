#include "tools/train/step.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <numeric>

#include "engine/gradient_reducer.h"

namespace fovea {

namespace {
// Packed weights are good for one layer's passes only, as every step changes the weights: room for the largest layers.
constexpr size_t kPackedWeightBytes = size_t{64} << 20;
}  // namespace

StepResult train_step(RetinaNet& model, Optimizer& optimizer, const DeviceBatch& batch, double learning_rate) {
  model.context().convolution.set_weight_budget(kPackedWeightBytes);
  optimizer.set_learning_rate(learning_rate);
  Losses losses;
  {
    Tape tape(model.context(), /*training=*/true);
    model.parameters().bind_gradients(tape, /*accumulate=*/false);
    GradientReducer over_ranks(tape, model.parameters());
    losses = model.loss(tape, model.forward(tape, batch.images), batch.size, batch.truth);
    tape.backward();
    over_ranks.finish();
  }
  optimizer.step();
  const auto positives = losses.positives.to_host<int32_t>();
  return {.classification = losses.classification.to_host<float>()[0],
          .box = losses.box.to_host<float>()[0],
          .positives = std::accumulate(positives.begin(), positives.end(), int64_t{0}),
          .gradient_norm = optimizer.gradient_norm(),
          .skipped = optimizer.skipped()};
}

std::string diagnosis(RetinaNet& model, const DeviceBatch& batch, const StepResult& result, double learning_rate) {
  std::vector<int64_t> ids;
  for (const Sample* sample : batch.samples) ids.push_back(sample->id);
  std::string text = fmt::format(
      "loss {} (classification {}, box {}), gradient norm {}, learning rate {:.3g}, images {}\n", result.loss(),
      result.classification, result.box, result.gradient_norm, learning_rate, fmt::join(ids, " "));
  Tape tape(model.context(), /*training=*/false);
  const Outputs outputs = model.forward(tape, batch.images);
  const auto losses = model.losses_by_level(outputs, batch.size, batch.truth);
  for (size_t level = 0; level < outputs.logits.size(); ++level) {
    const auto describe = [](const Tensor& tensor) {
      int64_t bad = 0;
      float largest = 0;
      for (const float value : tensor.to_host<float>()) {
        if (std::isfinite(value))
          largest = std::max(largest, std::abs(value));
        else
          ++bad;
      }
      return fmt::format("largest {:.3g}, {} of {} not finite", largest, bad, tensor.count());
    };
    text += fmt::format("  P{}: classification loss {:.3g}, box loss {:.3g}; logits {}; deltas {}\n", level + 3,
                        losses[level].classification, losses[level].box, describe(outputs.logits[level]),
                        describe(outputs.deltas[level]));
  }
  return text;
}

}  // namespace fovea
