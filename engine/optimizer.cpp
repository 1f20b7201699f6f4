#include "engine/optimizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/interrupt.h"
#include "kernels/reduce.h"
#include "kernels/traffic.h"

namespace fovea {

namespace {

namespace traffic = kernels::traffic;

// A value of any trivial type in device memory, as bytes.
template <class T>
void write_scalar(const Tensor& tensor, T value) {
  std::vector<uint8_t> bytes(sizeof(T));
  std::memcpy(bytes.data(), &value, sizeof(T));
  tensor.upload(bytes);
}
template <class T>
T read_scalar(const Tensor& tensor) {
  const auto bytes = tensor.to_host<uint8_t>();
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}
template <class T>
T* scalar(const Tensor& tensor) {
  return static_cast<T*>(tensor.raw());
}

}  // namespace

Optimizer::Optimizer(Context& context, ParameterStore& store, const OptimizerConfig& config)
    : context_(context), store_(store), config_(config), rate_upload_(context.queue.device(), sizeof(float)) {
  std::vector<kernels::ParamSegment> segments;
  for (const Parameter& p : store.all()) {
    if (!p.trainable) continue;
    const bool decays = p.role == ParameterRole::ConvWeight || config.decay_norm_and_bias;
    const bool backbone = p.group == ParameterGroup::Backbone;
    const int64_t begin = store.offset_of(p);
    segments.push_back({begin, begin + p.shape.count(), static_cast<float>(backbone ? config.backbone_lr_scale : 1.0),
                        static_cast<float>(decays ? config.weight_decay : 0.0)});
    if (p.working != nullptr) p.working->write_with(context, segments.back());
    if (p.bias_of != nullptr) p.bias_of->write_bias_with(context, segments.back());
  }
  segment_count_ = static_cast<int>(segments.size());
  const auto bytes_of = [&](size_t bytes) {
    return Tensor::zeros(context.memory, {static_cast<int64_t>(bytes)}, DType::U8, MemoryUse::OptimizerState);
  };
  segments_ = bytes_of(segments.size() * sizeof(kernels::ParamSegment));
  std::vector<uint8_t> raw(segments_.bytes());
  if (!raw.empty()) std::memcpy(raw.data(), segments.data(), raw.size());
  segments_.upload(raw);
  learning_rate_ = bytes_of(sizeof(float));
  sum_of_squares_ = bytes_of(sizeof(double));
  grad_scale_ = bytes_of(sizeof(float));
  skip_ = bytes_of(sizeof(int32_t));
  non_finite_ = bytes_of(sizeof(int32_t));
  steps_ = bytes_of(sizeof(int64_t));
  const auto buffer = [&](const char* name) {
    state_.push_back(
        {name, Tensor::zeros(context.memory, store.trained_values().shape(), DType::F32, MemoryUse::OptimizerState)});
  };
  if (config.kind == OptimizerConfig::Kind::AdamW) {
    buffer("adamw.m");
    buffer("adamw.v");
  } else if (config.momentum != 0) {
    buffer("sgd.momentum");
  }
  if (config.ema_decay > 0) {
    buffer(kAverageState);
    average_ = state_.back().tensor;
    restart_average();
  }
}

void Optimizer::restart_average() {
  if (average_) context_.queue.copy(average_.raw(), store_.trained_values().raw(), average_.bytes());
}

void Optimizer::set_learning_rate(double rate) {
  const auto value = static_cast<float>(rate);
  std::memcpy(rate_upload_.next(), &value, sizeof value);
  rate_upload_.send(context_.queue, learning_rate_.raw());
}

void Optimizer::set_non_finite_limit(int64_t steps) {
  non_finite_limit_ = static_cast<int32_t>(std::min<int64_t>(steps, INT32_MAX));
}

void Optimizer::step(std::initializer_list<Tensor> losses) {
  Queue& queue = context_.queue;
  const Tensor& gradients = store_.gradients();
  const int64_t n = gradients.count();
  const int working = static_cast<int>(size_of(context_.activation_dtype));
  traffic::declare(queue, traffic::sum_of(n));
  kernels::sum_of_squares(queue, n, gradients.data<float>(), scalar<double>(sum_of_squares_));
  kernels::StepGuard guard{.sum_of_squares = scalar<double>(sum_of_squares_),
                           .max_norm = static_cast<float>(config_.clip_norm),
                           .non_finite_limit = non_finite_limit_,
                           .scale = scalar<float>(grad_scale_),
                           .skip = scalar<int32_t>(skip_),
                           .non_finite = scalar<int32_t>(non_finite_)};
  require(losses.size() <= std::size(guard.losses), "more than two losses to check");
  std::transform(losses.begin(), losses.end(), guard.losses, [](const Tensor& loss) { return loss.data<float>(); });
  kernels::guard_step(queue, guard);
  const kernels::OptimizerStep step{.n = n,
                                    .segments = scalar<kernels::ParamSegment>(segments_),
                                    .segment_count = segment_count_,
                                    .params = store_.trained_values().data<float>(),
                                    .grads = gradients.data<float>(),
                                    .lr = scalar<float>(learning_rate_),
                                    .grad_scale = scalar<float>(grad_scale_),
                                    .skip = scalar<int32_t>(skip_),
                                    .working_type = context_.activation_dtype};
  if (config_.kind == OptimizerConfig::Kind::AdamW) {
    traffic::declare(queue, traffic::adamw_step(n, working));
    kernels::adamw_step(queue, step, state_[0].tensor.data<float>(), state_[1].tensor.data<float>(),
                        scalar<int64_t>(steps_), {config_.beta1, config_.beta2, config_.epsilon});
  } else {
    float* momentum = state_.empty() ? nullptr : state_[0].tensor.data<float>();
    traffic::declare(queue, traffic::sgd_step(n, momentum != nullptr, working));
    kernels::sgd_step(queue, step, momentum, static_cast<float>(config_.momentum), config_.nesterov);
  }
  if (average_) {
    traffic::declare(queue, traffic::ema(average_.count()));
    kernels::ema(queue, average_.count(), static_cast<float>(config_.ema_decay), step.params, step.skip,
                 average_.data<float>());
  }
  store_.fold_biases(context_);
  queue.submit("weights_changed", [&store = store_] { store.new_versions(); });
  store_.stepped();
}

void Optimizer::swap_average() {
  if (!average_) return;
  const Tensor& values = store_.trained_values();
  const Tensor kept = Tensor::empty(context_.memory, values.shape(), DType::F32, MemoryUse::OptimizerState);
  context_.queue.copy(kept.raw(), values.raw(), values.bytes());
  context_.queue.copy(values.raw(), average_.raw(), values.bytes());
  context_.queue.copy(average_.raw(), kept.raw(), values.bytes());
  store_.touch();
}

double Optimizer::gradient_norm() const { return std::sqrt(read_scalar<double>(sum_of_squares_)); }
bool Optimizer::skipped() const { return read_scalar<int32_t>(skip_) != 0; }
int64_t Optimizer::steps_done() const { return read_scalar<int64_t>(steps_); }
void Optimizer::set_steps_done(int64_t steps) { write_scalar(steps_, steps); }

AveragedWeights::~AveragedWeights() {
  const Interruptible whole(false);
  optimizer_.swap_average();
}

}  // namespace fovea
