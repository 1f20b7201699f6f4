// Ranks with a part of the batch each against one process with all of it.
//
// The bound is that of tests/support/network_bounds.h: two computations whose errors are each within kBackward of a
// tensor's largest value.
#include "tests/support/ranks.h"
#include "engine/distributed/gradient_reducer.h"
#include "engine/optimizer.h"
#include "tests/model/golden_network.h"
#include "tests/support/catch.h"
#include "tests/support/network_bounds.h"

using namespace fovea;
using namespace fovea::test;

namespace {

// Of the images of a golden network those from `first` on, in a network of another norm.
struct Trainee {
  Trainee(const ModelConfig& config, int first, int count)
      : golden("narrow_basic", kernels::ConvAlgorithm::Direct),
        context(DeviceKind::Cpu, Precision::F32, kernels::ConvAlgorithm::Direct),
        model(context, config, 5),
        images(part(golden.images, first, count)),
        truth{part(golden.truth.boxes, first, count), part(golden.truth.labels, first, count),
              part(golden.truth.crowd, first, count), part(golden.truth.counts, first, count)} {}

  static Tensor part(const Tensor& all, int first, int count) {
    std::vector<int64_t> sizes = all.shape().sizes();
    const int64_t each = all.count() / sizes[0];
    sizes[0] = count;
    return all.view(Shape(sizes), first * each);
  }
  void join(Communicator& ranks, bool sync_norm) {
    context.ranks = &ranks;
    if (sync_norm) context.norm_ranks = &ranks;
  }
  void backward() {
    Tape tape(context, /*training=*/true);
    model.parameters().bind_gradients(tape, false);
    GradientReducer over_ranks(tape, model.parameters());
    losses = model.loss(tape, model.forward(tape, images), golden.size, truth);
    tape.backward();
    over_ranks.finish();
  }

  GoldenNetwork golden;
  Context context;
  RetinaNet model;
  Tensor images;
  Truth truth;
  Losses losses;
};

ModelConfig config_with(Norm norm, LossNormalizer normalizer) {
  ModelConfig config = golden_config(golden("narrow_basic.weights"));
  config.backbone.norm = norm;
  config.backbone.frozen_stages = 0;
  config.loss.normalizer = normalizer;
  return config;
}

// The backward pass of ranks with one image each.
std::vector<std::unique_ptr<Trainee>> backward_of_ranks(const ModelConfig& config, int size, bool sync_norm) {
  std::vector<std::unique_ptr<Trainee>> trainees;
  for (int r = 0; r < size; ++r) trainees.push_back(std::make_unique<Trainee>(config, r, 1));
  CHECK(run_ranks(size, [&](Communicator& ranks) {
          Trainee& trainee = *trainees[static_cast<size_t>(ranks.rank())];
          trainee.join(ranks, sync_norm);
          trainee.backward();
        }) == nothing_thrown(size));
  return trainees;
}

// Empty where the gradients of each parameter agree within `bound` of its largest.
std::string disagreement_of_gradients(const RetinaNet& a, const RetinaNet& b, double bound) {
  for (size_t i = 0; i < a.parameters().all().size(); ++i) {
    const Parameter &p = a.parameters().all()[i], &q = b.parameters().all()[i];
    if (!p.trainable) continue;
    const auto x = p.gradient.to_host<float>(), y = q.gradient.to_host<float>();
    double largest = 0;
    for (const float value : x) largest = std::max<double>(largest, std::abs(value));
    for (size_t k = 0; k < x.size(); ++k)
      if (!(std::abs(x[k] - y[k]) <= bound * largest))
        return fmt::format("{}[{}]: {} and {}, largest {}", p.name, k, x[k], y[k], largest);
  }
  return "";
}

}  // namespace

TEST_CASE("ranks: losses and gradients are those of one rank with the whole batch", "[rank]") {
  const auto norm = GENERATE(Norm::FrozenBatch, Norm::Batch);
  const auto normalizer = GENERATE(LossNormalizer::PerImage, LossNormalizer::PerBatch);
  const ModelConfig config = config_with(norm, normalizer);
  CAPTURE(static_cast<int>(norm), static_cast<int>(normalizer));
  Trainee whole(config, 0, 2);
  REQUIRE(whole.golden.images.batch() == 2);
  whole.backward();
  const auto ranks = backward_of_ranks(config, 2, /*sync_norm=*/true);
  for (size_t r = 0; r < 2; ++r) {
    const Losses &expected = whole.losses, &losses = ranks[r]->losses;
    const auto close = [](const Tensor& a, const Tensor& b) {
      return std::abs(a.to_host<float>()[0] - b.to_host<float>()[0]) <= 2 * kForward * std::abs(a.to_host<float>()[0]);
    };
    CHECK(close(expected.classification, losses.classification));
    CHECK(close(expected.box, losses.box));
    CHECK(expected.positives.to_host<int32_t>() == losses.positives.to_host<int32_t>());
    CHECK(disagreement_of_gradients(whole.model, ranks[r]->model, 2 * kBackward) == "");
  }
  CHECK((ranks[0]->model.parameters().gradients().to_host<float>() ==
         ranks[1]->model.parameters().gradients().to_host<float>()));
  if (norm == Norm::Batch)  // running statistics as well: of all rows on every rank
    CHECK((ranks[0]->model.parameters().fixed_values().to_host<float>() ==
           ranks[1]->model.parameters().fixed_values().to_host<float>()));
}

TEST_CASE("ranks without synchronized batch norm keep statistics of their own", "[rank]") {
  const auto ranks = backward_of_ranks(config_with(Norm::Batch, LossNormalizer::PerBatch), 2, /*sync_norm=*/false);
  CHECK((ranks[0]->model.parameters().fixed_values().to_host<float>() !=
         ranks[1]->model.parameters().fixed_values().to_host<float>()));
  CHECK((ranks[0]->model.parameters().gradients().to_host<float>() ==
         ranks[1]->model.parameters().gradients().to_host<float>()));
}

TEST_CASE("replay of a recorded step of ranks equals eager steps bit for bit", "[rank][replay]") {
  const ModelConfig config = config_with(Norm::Batch, LossNormalizer::PerBatch);
  std::vector<std::vector<float>> values;
  for (const bool replayed : {false, true}) {
    std::vector<std::unique_ptr<Trainee>> trainees;
    for (int r = 0; r < 2; ++r) {
      trainees.push_back(std::make_unique<Trainee>(config, r, 1));
      Tape tape(trainees.back()->context, false);
      Trainee& t = *trainees.back();
      t.model.anchors_for(t.model.forward(tape, t.images), t.golden.size);  // from the host, once
      t.model.parameters().before_step(t.context);
    }
    CHECK(run_ranks(2, [&](Communicator& ranks) {
            Trainee& trainee = *trainees[static_cast<size_t>(ranks.rank())];
            trainee.join(ranks, true);
            Optimizer optimizer(trainee.context, trainee.model.parameters(), {});
            optimizer.set_learning_rate(0.003);
            const auto step = [&] {
              trainee.backward();
              optimizer.step();
            };
            if (replayed) {
              const Recording recording = trainee.context.queue.record(step);
              for (int i = 0; i < 3; ++i) recording.replay();
            } else {
              for (int i = 0; i < 3; ++i) step();
            }
          }) == nothing_thrown(2));
    for (const auto& trainee : trainees)
      values.push_back(trainee->model.parameters().trained_values().to_host<float>());
  }
  for (size_t i = 1; i < values.size(); ++i) CHECK((values[i] == values[0]));
}

TEST_CASE("rank gradients are summed part by part while backward runs, each element once", "[rank]") {
  std::vector<std::string> parts;
  Trainee trainee(config_with(Norm::Batch, LossNormalizer::PerBatch), 0, 1);
  Tape tape(trainee.context, true);
  tape.on_mark([&](const char* part) { parts.emplace_back(part); });
  trainee.model.forward(tape, trainee.images);
  CHECK(parts.empty());
  tape.backward();
  CHECK(parts == std::vector<std::string>{"head.", "backbone.fpn.", "backbone.body.layer4.", "backbone.body.layer3.",
                                          "backbone.body.layer2.", "backbone.body.layer1."});
  int64_t end = trainee.model.parameters().gradients().count();
  for (const std::string& part : parts) {  // what follows a part in the buffer is the part before
    const auto [first, last] = trainee.model.parameters().trained_range(part);
    CHECK(first < last);
    CHECK(last == end);
    end = first;
  }
}
