// Every variant of the network learns: norms, blocks, heads, box losses, both precisions.
#include "engine/optimizer.h"
#include "model/retinanet.h"
#include "tests/support/catch.h"
#include "tests/support/seeded.h"

using namespace fovea;

namespace {

constexpr int kSize = 64;

ModelConfig narrow_config() {
  ModelConfig config;
  config.backbone = {.depth = 18,
                     .layers = {1, 1, 1, 1},
                     .width_divisor = 8,
                     .stem_width = 8,
                     .norm = Norm::Batch,
                     .norm_groups = 4,
                     .frozen_stages = 0};
  config.fpn.channels = 16;
  config.head = {.convolutions = 1, .norm = Norm::None, .norm_groups = 4};
  config.classes = 3;
  return config;
}

template <class T>
Tensor images(Context& context, int count) {
  return Tensor::from(context.memory, {count, kSize, kSize, 3},
                      test::seeded_uniform<T>(static_cast<size_t>(count) * kSize * kSize * 3, 5));
}

// Losses of the first and the last of some steps on one batch.
std::pair<float, float> learn(const ModelConfig& config, Precision precision) {
  Context context(DeviceKind::Cpu, precision);
  RetinaNet model(context, config, 1);
  Optimizer optimizer(context, model.parameters(), {.kind = OptimizerConfig::Kind::AdamW, .clip_norm = 10});
  const Tensor batch = precision == Precision::BF16 ? images<bfloat16>(context, 2) : images<float>(context, 2);
  const std::vector<float> boxes{4, 4, 40, 44, 20, 10, 60, 50, 8, 30, 30, 62, 0, 0, 0, 0};
  const Truth truth{Tensor::from(context.memory, {2, 2, 4}, boxes),
                    Tensor::from(context.memory, {2, 2}, std::vector<int32_t>{0, 2, 1, -1}),
                    Tensor::zeros(context.memory, {2, 2}, DType::U8),
                    Tensor::from(context.memory, {2}, std::vector<int32_t>{2, 1})};
  float first = 0, last = 0;
  for (int step = 0; step < 12; ++step) {
    Tape tape(context, true);
    model.parameters().bind_gradients(tape, false);
    const Losses losses = model.loss(tape, model.forward(tape, batch), {kSize, kSize}, truth);
    tape.backward();
    optimizer.set_learning_rate(0.005);
    optimizer.step();
    last = losses.classification.to_host<float>()[0] + losses.box.to_host<float>()[0];
    if (step == 0) first = last;
    REQUIRE_FALSE(optimizer.skipped());
  }
  return {first, last};
}

}  // namespace

TEST_CASE("every norm, block, head and loss learns a batch", "[variants]") {
  const auto precision = GENERATE(Precision::F32, Precision::BF16);
  const auto variant = GENERATE(range(0, 17));
  CAPTURE(static_cast<int>(precision), variant);
  ModelConfig config = narrow_config();
  if (variant == 1) config.backbone.norm = Norm::Group;
  if (variant == 2) config.backbone.norm = Norm::FrozenBatch;
  if (variant == 3) config.backbone.depth = 50;
  if (variant == 4) config.head.norm = Norm::Group;
  if (variant == 5) config.backbone.frozen_stages = 5;
  if (variant == 6) config.fpn.p6_from_c5 = true;
  if (variant == 7) config.loss.box = BoxLoss::CIoU;
  if (variant == 8) config.loss.normalizer = LossNormalizer::PerImage;
  if (variant == 9) config.loss.kind = LossKind::FocalStar;
  if (variant == 10) config.loss.kind = LossKind::CrossEntropy;
  if (variant == 11) config.loss = {.kind = LossKind::Ohem, .alpha = 0.5, .mining_batch = 64};
  if (variant == 12) config.loss = {.kind = LossKind::Ohem, .alpha = -1, .mining_batch = 64, .mining_ratio = 3};
  if (variant == 13) config.loss = {.kind = LossKind::Ssd, .alpha = -1};
  if (variant == 14) config.loss.class_weights = {0.5, 2, 1};
  if (variant == 15) config.backbone.depth = 50, config.backbone.stride_in_1x1 = true;
  if (variant == 16) config.fpn.relu_before_p7 = false;
  const auto [first, last] = learn(config, precision);
  CHECK(last < 0.8f * first);
}

TEST_CASE("bf16 gives the outputs of fp32 within its rounding", "[variants]") {
  ModelConfig config = narrow_config();
  config.backbone.norm = Norm::FrozenBatch;
  const auto outputs = [&](Precision precision) {
    Context context(DeviceKind::Cpu, precision);
    RetinaNet model(context, config, 1);
    Tape tape(context, false);
    const Tensor batch = precision == Precision::BF16 ? images<bfloat16>(context, 1) : images<float>(context, 1);
    return model.forward(tape, batch).logits[0].to_host<float>();
  };
  const auto exact = outputs(Precision::F32), rounded = outputs(Precision::BF16);
  // Weights and activations are rounded to 2^-8 in each of about 14 layers, which add up like a random walk; logits
  // differ from the bias, −4.6, by the small outputs of the last layer, which itself is stored with 2^-9·4.6 of error.
  float largest = 0;
  for (size_t i = 0; i < exact.size(); ++i) largest = std::max(largest, std::abs(exact[i] - rounded[i]));
  CHECK(largest <= 0x1p-8 * 4.6 * 2);
  CHECK(largest > 0);
}
