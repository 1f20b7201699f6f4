#include "tools/train/step.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/distributed/communicator.h"
#include "engine/distributed/gradient_reducer.h"
#include "kernels/interrupt.h"

namespace fovea {

namespace {
// Packed weights are good for one layer's passes only, as every step changes the weights: room for the largest layers.
constexpr size_t kPackedWeightBytes = size_t{64} << 20;
constexpr size_t kShapes = 16;  // whose recordings are kept
}  // namespace

Losses enqueue_step(RetinaNet& model, Optimizer& optimizer, const DeviceBatch& batch, bool may_end) {
  model.context().convolution.set_weight_budget(kPackedWeightBytes);
  Losses losses;
  {
    const Interruptible until_the_update(may_end);
    Tape tape(model.context(), /*training=*/true);
    model.parameters().bind_gradients(tape, /*accumulate=*/false);
    GradientReducer over_ranks(tape, model.parameters());
    losses = model.loss(tape, model.forward(tape, batch.images), batch.size, batch.truth);
    tape.backward();
    over_ranks.finish();
  }
  optimizer.step({losses.classification, losses.box});
  return losses;
}

struct TrainingSteps::Report {
  struct Numbers {
    double sum_of_squares;
    float classification, box;
    int32_t skipped;
  };
  Report(DeviceKind device, int64_t images) : numbers(device, 1), positives(device, images), written(device) {}
  HostBuffer<Numbers> numbers;
  HostBuffer<int32_t> positives;
  Event written;
};

TrainingSteps::TrainingSteps(RetinaNet& model, Optimizer& optimizer, const InputConfig& input, bool record)
    : model_(model),
      optimizer_(optimizer),
      input_(input),
      record_(record),
      pixels_(model.context()),
      shapes_(kShapes) {}

TrainingSteps::~TrainingSteps() = default;

void TrainingSteps::enqueue(std::vector<LoadedImage> batch, const BatchShape& shape, double learning_rate) {
  require(under_way_.size() < std::size(reports_), "two steps were enqueued before the first one's result was read");
  const bool may_end = Interruptible::current();
  const Interruptible here(false);  // what the host counts goes with what the device has done
  Context& context = model_.context();
  OfShape& step = shapes_.at(shape, [&] { return OfShape{.input = BatchInput(context, shape, input_)}; });
  const RepeatedWork::Next next = step.work.next(context);
  step.input.load(batch, pixels_.upload(batch));
  optimizer_.set_learning_rate(learning_rate);
  const auto body = [&] { step.losses = enqueue_step(model_, optimizer_, step.input.prepare(), may_end); };
  model_.parameters().before_step(context);
  RecordOptions options;
  if (context.ranks != nullptr)
    options.worst_of_ranks = [&](RecordOutcome here) {
      const auto of_ranks = context.ranks->all_gather(here);
      return *std::max_element(of_ranks.begin(), of_ranks.end());
    };
  if (record_)
    step.work.run(context, body, options, next);
  else
    body();
  model_.parameters().stepped();  // which a replay does not say
  pixels_.used();
  under_way_.push_back({std::move(batch), learning_rate, read_back(step.losses)});
}

TrainingSteps::Report* TrainingSteps::read_back(const Losses& losses) {
  Queue& queue = model_.context().queue;
  auto& report = reports_[enqueued_++ % std::size(reports_)];
  if (!report || report->positives.size() != static_cast<size_t>(losses.positives.count()))
    report = std::make_unique<Report>(queue.device(), losses.positives.count());
  Report::Numbers& numbers = report->numbers[0];
  queue.copy(&numbers.classification, losses.classification.raw(), sizeof(float));
  queue.copy(&numbers.box, losses.box.raw(), sizeof(float));
  queue.copy(&numbers.sum_of_squares, optimizer_.sum_of_squares().raw(), sizeof(double));
  queue.copy(&numbers.skipped, optimizer_.skip_flag().raw(), sizeof(int32_t));
  queue.copy(report->positives.data(), losses.positives.raw(), losses.positives.bytes());
  report->written.record(queue);
  return report.get();
}

std::optional<TrainingSteps::Finished> TrainingSteps::finished(size_t running) {
  if (under_way_.size() <= running) return std::nullopt;
  UnderWay step = std::move(under_way_.front());
  under_way_.pop_front();
  step.report->written.synchronize("reading a step's losses");
  const Report::Numbers& numbers = step.report->numbers[0];
  const auto& positives = step.report->positives;
  return Finished{
      .result = {.classification = numbers.classification,
                 .box = numbers.box,
                 .positives = std::accumulate(positives.data(), positives.data() + positives.size(), int64_t{0}),
                 .gradient_norm = std::sqrt(numbers.sum_of_squares),
                 .skipped = numbers.skipped != 0},
      .batch = std::move(step.batch),
      .learning_rate = step.learning_rate};
}

std::string remedies(const Config& config) {
  const std::string always = "lower train.schedule.base, or set train.optimizer.clip_norm";
  if (config.model.head.prior <= kUsualPrior) return always;
  return fmt::format("set model.head.prior to {:g}, {}", kUsualPrior, always);
}

std::string diagnosis(RetinaNet& model, const TrainingSteps::Finished& step, const InputConfig& input) {
  const StepResult& result = step.result;
  std::vector<int64_t> ids;
  for (const LoadedImage& item : step.batch) ids.push_back(item.sample->id);
  std::string text = fmt::format(
      "loss {} (classification {}, box {}), gradient norm {}, learning rate {:.3g}, images {}\n", result.loss(),
      result.classification, result.box, result.gradient_norm, step.learning_rate, fmt::join(ids, " "));
  const DeviceBatch batch = stage(model.context(), step.batch, input);
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
