#include "tools/device/smoke.h"

#include <fmt/format.h>
#include <omp.h>

#include <chrono>
#include <cmath>

#include "engine/random.h"
#include "engine/repeated_work.h"
#include "kernels/focal_loss.h"
#include "kernels/nms.h"
#include "model/levels.h"
#include "tools/config/config.h"
#include "tools/train/step.h"

namespace fovea {
namespace {

using kernels::ConvPass;
using kernels::ConvShape;
using Values = std::vector<float>;

// The relative error of rounding to nearest.
constexpr double kEpsilonF32 = 0x1p-24, kEpsilonBf16 = 0x1p-8;
double epsilon_of(DType dtype) { return dtype == DType::BF16 ? kEpsilonBf16 : kEpsilonF32; }

Context gpu() { return Context(DeviceKind::Cuda, Precision::Auto, kernels::ConvAlgorithm::Direct); }
Context cpu(const Context& like) {
  const bool bf16 = like.activation_dtype == DType::BF16;
  return Context(DeviceKind::Cpu, bf16 ? Precision::BF16 : Precision::F32, kernels::ConvAlgorithm::Direct);
}

// Random values that bf16 holds, so that every dtype has the same.
Values random_values(int64_t count, uint32_t which, double low = -1, double high = 1) {
  Random random(1, stream::kSmoke, which);
  Values values(static_cast<size_t>(count));
  for (float& value : values) value = bfloat16(static_cast<float>(low + (high - low) * random.uniform()));
  return values;
}

Tensor tensor_of(Context& context, const Shape& shape, const Values& values, DType dtype) {
  return dispatch(dtype, [&]<class T> {
    return Tensor::from(context.memory, shape, std::vector<T>(values.begin(), values.end()));
  });
}

// The largest error of what was found, in bounds. Throws where it is above 1, or is none.
class Errors {
 public:
  void add(const char* what, size_t element, double found, double expected, double bound) {
    const double error = std::abs(found - expected);
    if (!(error <= bound))
      throw Error(ErrorKind::Runtime, fmt::format("{} differs at element {}: {:.9g}, on the CPU {:.9g} (bound {:.3g})",
                                                  what, element, found, expected, bound));
    if (bound > 0) largest_ = std::max(largest_, error / bound);
  }
  std::string text() const { return fmt::format("largest error {:.2f} of its bound", largest_); }

 private:
  double largest_ = 0;
};

// ---- convolution

struct ConvOperands {
  Values x, weights, bias, dy;
  explicit ConvOperands(const ConvShape& s)
      : x(random_values(s.input_count(), 1)),
        weights(random_values(s.weight_count(), 2)),
        bias(random_values(s.out_c, 3)),
        dy(random_values(s.output_count(), 4)) {}
  ConvOperands magnitudes() const {
    ConvOperands all = *this;
    for (Values* values : {&all.x, &all.weights, &all.bias, &all.dy})
      for (float& value : *values) value = std::abs(value);
    return all;
  }
};

// What a pass gives: y, dx, or the gradients of weights and bias one behind the other.
Values convolve(Context& context, const ConvShape& s, ConvPass pass, const ConvOperands& of, DType dtype) {
  const Tensor x = tensor_of(context, {s.input_count()}, of.x, dtype),
               dy = tensor_of(context, {s.output_count()}, of.dy, dtype),
               weights = tensor_of(context, {s.weight_count()}, of.weights, dtype),
               bias = tensor_of(context, {s.out_c}, of.bias, DType::F32);
  if (pass == ConvPass::Forward) {
    const Tensor y = context.empty({s.output_count()}, dtype);
    context.convolution.forward(context.queue, s, dtype,
                                {x.raw(), {weights.raw()}, bias.data<float>(), nullptr, /*relu=*/true, y.raw()});
    return y.to_host<float>();
  }
  if (pass == ConvPass::BackwardData) {
    const Tensor dx = context.empty({s.input_count()}, dtype);
    context.convolution.backward_data(context.queue, s, dtype, {dy.raw(), {weights.raw()}, nullptr, false, dx.raw()});
    return dx.to_host<float>();
  }
  const Tensor gradients = context.empty({s.weight_count() + s.out_c}, DType::F32);
  auto* dweight = gradients.data<float>();
  context.convolution.backward_weight(context.queue, s, dtype,
                                      {x.raw(), dy.raw(), false, dweight, dweight + s.weight_count()});
  return gradients.to_host<float>();
}

// One rounding to the tensors' dtype (kernels/conv/conv.h), and fp32 sums on either side: n terms in whatever order err
// by at most n roundings of the sum of their magnitudes, which is the convolution of the operands' magnitudes. The
// bias, the ReLU and a pass around it add three.
std::string check_convolution(ConvPass pass) {
  Context on_gpu = gpu(), on_cpu(DeviceKind::Cpu, Precision::F32, kernels::ConvAlgorithm::Direct);
  const DType dtype = on_gpu.activation_dtype;
  Errors errors;
  for (const ConvShape& s : {ConvShape{2, 16, 16, 64, 64, 3, 3, 1, 1}, ConvShape{2, 16, 16, 64, 128, 1, 1}}) {
    const ConvOperands operands(s);
    const Values found = convolve(on_gpu, s, pass, operands, dtype),
                 expected = convolve(on_cpu, s, pass, operands, DType::F32),
                 magnitude = convolve(on_cpu, s, pass, operands.magnitudes(), DType::F32);
    const int64_t terms = pass == ConvPass::BackwardWeight
                              ? int64_t{s.batch} * s.out_h() * s.out_w()
                              : int64_t{s.kernel_h} * s.kernel_w * std::max(s.in_c, s.out_c);
    for (size_t i = 0; i < found.size(); ++i)
      errors.add(
          "a value", i, found[i], expected[i],
          epsilon_of(dtype) * std::abs(expected[i]) + 2 * static_cast<double>(terms + 3) * kEpsilonF32 * magnitude[i]);
  }
  return fmt::format("{}, {}", name_of(dtype), errors.text());
}

// ---- focal loss

struct FocalResult {
  Values gradient;
  float loss;
};

constexpr int kAnchors = 3, kClasses = 5, kImages = 2;
constexpr int kSides[] = {9, 4};  // of two levels

FocalResult focal_loss(Context& context, DType dtype) {
  std::vector<Tensor> logits;
  int64_t anchors = 0;
  for (const int side : kSides) {
    const Shape shape{kImages, side, side, kAnchors * kClasses};
    logits.push_back(tensor_of(context, shape, random_values(shape.count(), 5, -6, 6), dtype));
    anchors += int64_t{side} * side * kAnchors;
  }
  Random random(1, stream::kSmoke, 6);
  std::vector<int32_t> targets(static_cast<size_t>(kImages * anchors));
  for (int32_t& target : targets) target = static_cast<int32_t>(random.below(kClasses + 2)) - 2;  // ignored, background
  const Tensor on_device = Tensor::from(context.memory, {kImages * anchors}, targets),
               scale = Tensor::from(context.memory, {kImages}, Values{0.5f, 0.25f}),
               loss = context.empty({1}, DType::F32);
  dispatch(dtype, [&]<class T> {
    kernels::FocalLossArgs<T> args;
    args.gradient = level_view<T>(logits, kAnchors, kClasses);  // in their place
    args.logits = args.gradient;
    args.targets = on_device.data<int32_t>();
    args.scale = scale.data<float>();
    args.loss = loss.data<float>();
    const Tensor workspace = context.empty({static_cast<int64_t>(kernels::focal_loss_workspace(args))}, DType::U8);
    args.workspace = workspace.raw();
    kernels::focal_loss(context.queue, args);
  });
  FocalResult result{{}, loss.to_host<float>()[0]};
  for (const Tensor& level : logits)
    for (const float value : level.to_host<float>()) result.gradient.push_back(value);
  return result;
}

// An element goes through at most 32 roundings on the CPU, and through 64 · (1 + |x| / 8) by a GPU's special functions,
// x <= 6; its terms have one sign. The loss is a sum of positive terms, of at most 128 in a row and 16 partial sums.
std::string check_focal_loss() {
  Context on_gpu = gpu(), on_cpu = cpu(on_gpu);
  const DType dtype = on_gpu.activation_dtype;
  const FocalResult found = focal_loss(on_gpu, dtype), expected = focal_loss(on_cpu, DType::F32);
  constexpr double kElement = (32 + 64 * (1 + 6. / 8)) * kEpsilonF32, kSum = kElement + 2 * (128 + 16) * kEpsilonF32;
  Errors errors;
  errors.add("the loss", 0, found.loss, expected.loss, kSum * std::abs(expected.loss));
  for (size_t i = 0; i < found.gradient.size(); ++i)
    errors.add("a gradient", i, found.gradient[i], expected.gradient[i],
               (epsilon_of(dtype) + kElement) * std::abs(expected.gradient[i]));
  return fmt::format("{}, {}", name_of(dtype), errors.text());
}

// ---- suppression

std::vector<int32_t> suppress(Context& context) {
  constexpr int kBoxes = 300;
  const Values corners = random_values(2 * kBoxes, 7, 0, 60), sides = random_values(2 * kBoxes, 8, 8, 40);
  Values boxes, scores;
  std::vector<int32_t> classes;
  for (size_t i = 0; i < kBoxes; ++i) {
    const float x = corners[2 * i], y = corners[2 * i + 1];
    boxes.insert(boxes.end(), {x, y, x + sides[2 * i], y + sides[2 * i + 1]});
    scores.push_back(static_cast<float>((i * 77) % kBoxes));  // each another
    classes.push_back(static_cast<int32_t>(i % 3));
  }
  const Tensor on_device = Tensor::from(context.memory, {kBoxes, 4}, boxes),
               of_boxes = Tensor::from(context.memory, {kBoxes}, scores),
               labels = Tensor::from(context.memory, {kBoxes}, classes), keep = context.empty({kBoxes}, DType::I32),
               count = context.empty({1}, DType::I32),
               workspace = context.empty({static_cast<int64_t>(kernels::nms_workspace(kBoxes))}, DType::U8);
  kernels::nms(context.queue, {.boxes = on_device.data<float>(),
                               .scores = of_boxes.data<float>(),
                               .classes = labels.data<int32_t>(),
                               .n = kBoxes,
                               .keep = keep.data<int32_t>(),
                               .count = count.data<int32_t>(),
                               .workspace = workspace.raw()});
  std::vector<int32_t> kept = keep.to_host<int32_t>();
  const int32_t kept_count = count.to_host<int32_t>()[0];
  if (kept_count < 0 || kept_count > kBoxes)
    throw Error(ErrorKind::Runtime, fmt::format("{} of {} boxes were kept", kept_count, kBoxes));
  kept.resize(static_cast<size_t>(kept_count));
  return kept;
}

// The same operations are rounded alike, so that the same boxes are kept.
std::string check_suppression() {
  Context on_gpu = gpu(), on_cpu = cpu(on_gpu);
  const auto found = suppress(on_gpu), expected = suppress(on_cpu);
  if (found != expected)
    throw Error(ErrorKind::Runtime, fmt::format("the GPU kept {} boxes, the CPU {}, or the same ones in another order",
                                                found.size(), expected.size()));
  return fmt::format("{} boxes kept", found.size());
}

// ---- training

// With what the large ones have: bottlenecks, whose 1×1 convolutions are matmuls, and padded channels.
ModelConfig small_network() {
  ModelConfig config = preset("tiny").model;
  config.classes = 3;
  config.backbone.depth = 50;
  config.backbone.layers = {1, 1, 1, 1};
  config.backbone.norm = Norm::FrozenBatch;
  return config;
}

class SmallTraining {
 public:
  explicit SmallTraining(Context& context) : context_(context), model_(context, small_network(), /*seed=*/1) {
    optimizer_.set_learning_rate(0.003);
    const DType dtype = context.activation_dtype;
    batch_.size = {64, 64};
    batch_.images = tensor_of(context, {2, 64, 64, 3}, random_values(int64_t{2} * 64 * 64 * 3, 9, -2, 2), dtype);
    batch_.truth = {
        Tensor::from(context.memory, {2, 2, 4}, Values{4, 8, 40, 44, 20, 2, 60, 30, 10, 10, 34, 50, 0, 0, 0, 0}),
        Tensor::from(context.memory, {2, 2}, std::vector<int32_t>{0, 2, 1, -1}),
        Tensor::zeros(context.memory, {2, 2}, DType::U8),
        Tensor::from(context.memory, {2}, std::vector<int32_t>{2, 1})};
  }
  // As TrainingSteps takes them (tools/train/step.h).
  void step(bool recorded) {
    const auto body = [&] { enqueue_step(model_, optimizer_, batch_); };
    model_.parameters().before_step(context_);
    if (recorded)
      work_.run(context_, body);
    else
      body();
    model_.parameters().stepped();
  }
  Values weights() const { return model_.parameters().trained_values().to_host<float>(); }
  const ParameterStore& parameters() const { return model_.parameters(); }

 private:
  Context& context_;
  RetinaNet model_;
  Optimizer optimizer_{
      context_, model_.parameters(), {.clip_norm = 0.5}};  // below the norm, so that a step hangs on it
  DeviceBatch batch_;
  RepeatedWork work_;
};

// The weights at first and after each of three steps.
std::vector<Values> weights_by_step(SmallTraining& training, bool recorded) {
  std::vector<Values> weights{training.weights()};
  for (int i = 0; i < 3; ++i) {
    training.step(recorded);
    weights.push_back(training.weights());
  }
  return weights;
}

// How far a step of the GPU may end from the CPU's, by the largest movement in a parameter: its gradient goes through
// at most 17 layers forwards and backwards. In fp32 each adds the error of sums of at most 576 products on either side,
// which walks at random: 24 roundings (Higham 2002, section 2.8). In bf16 results are rounded, once a layer on the CPU
// and twice on a GPU (kernels/conv/conv.h).
double bound_of_step(DType dtype) {
  constexpr int kLayers = 2 * 17;
  return dtype == DType::BF16 ? kLayers * 3 * kEpsilonBf16 : kLayers * 2 * 24 * kEpsilonF32;
}

std::string check_step(Precision precision) {
  Context on_gpu(DeviceKind::Cuda, precision, kernels::ConvAlgorithm::Direct), on_cpu = cpu(on_gpu);
  SmallTraining found(on_gpu), expected(on_cpu);
  const Values before = expected.weights();
  found.step(/*recorded=*/false);
  expected.step(/*recorded=*/false);
  const Values by_gpu = found.weights(), by_cpu = expected.weights();
  Errors errors;
  for (const Parameter& parameter : expected.parameters().all()) {
    if (!parameter.trainable) continue;
    const auto begin = static_cast<size_t>(expected.parameters().offset_of(parameter)),
               end = begin + static_cast<size_t>(parameter.shape.count());
    double moved = 0, value = 0;
    for (size_t i = begin; i < end; ++i) {
      moved = std::max(moved, std::abs(double{by_cpu[i]} - before[i]));
      value = std::max(value, std::abs(double{by_cpu[i]}));
    }
    const double bound = bound_of_step(on_gpu.activation_dtype) * moved + 2 * kEpsilonF32 * value;
    for (size_t i = begin; i < end; ++i) errors.add(parameter.name.c_str(), i - begin, by_gpu[i], by_cpu[i], bound);
  }
  return fmt::format("{}, {}", on_gpu.arithmetic(), errors.text());
}

// A recorded step must leave the bits of one that is not.
std::string check_recorded_steps() {
  Context on_gpu = gpu();
  SmallTraining as_it_is(on_gpu), recorded(on_gpu);
  const auto expected = weights_by_step(as_it_is, false), found = weights_by_step(recorded, true);
  for (size_t step = 0; step < expected.size(); ++step) {
    if (step > 0 && expected[step] == expected[step - 1])
      throw Error(ErrorKind::Runtime, fmt::format("step {} changed no weight", step));
    if (found[step] != expected[step])
      throw Error(ErrorKind::Runtime, fmt::format("step {} differs when recorded", step));
  }
  return fmt::format("{}, bitwise equal to eager steps", on_gpu.arithmetic());
}

}  // namespace

std::vector<SmokeCheck> smoke_checks() {
  return {{"convolution", [] { return check_convolution(ConvPass::Forward); }},
          {"convolution, gradient of the data", [] { return check_convolution(ConvPass::BackwardData); }},
          {"convolution, gradient of the weights", [] { return check_convolution(ConvPass::BackwardWeight); }},
          {"focal loss and its gradient", check_focal_loss},
          {"suppression", check_suppression},
          {"a training step", [] { return check_step(Precision::Auto); }},
          {"a training step in fp32", [] { return check_step(Precision::F32); }},  // where a bound is a thousandth
          {"recorded training steps", check_recorded_steps}};
}

bool run_smoke() {
  omp_set_num_threads(1);  // of the CPU's part: too small to be shared, on a machine that may be busy
  bool good = true;
  for (const SmokeCheck& check : smoke_checks()) {
    const auto tell = [](const std::string& line) {
      fmt::print("{}\n", line);
      std::fflush(stdout);
    };
    tell(kBegins + check.name);
    const auto start = std::chrono::steady_clock::now();
    try {
      const std::string figures = check.run();
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      tell(fmt::format("{}{}, {}, {:.2f} s", kPassed, check.name, figures, seconds.count()));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::OutOfMemory) throw;
      tell(fmt::format("{}{}: {}", kFailed, check.name, error.what()));
      good = false;
    }
  }
  return good;
}

}  // namespace fovea
