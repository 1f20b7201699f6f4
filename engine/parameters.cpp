#include "engine/parameters.h"

#include <algorithm>
#include <cmath>

#include "engine/random.h"
#include "kernels/hash.h"
#include "kernels/launch/math.h"

namespace fovea {

namespace {
constexpr int64_t kPadding = 16;  // elements: every parameter starts on a 64-byte boundary
int64_t padded(int64_t count) { return round_up(count, kPadding); }

// Of random numbers, for one value.
int64_t draws_of(Initializer::Kind kind) {
  switch (kind) {
    case Initializer::Kind::Constant:
      return 0;
    case Initializer::Kind::KaimingUniform:
      return 1;
    case Initializer::Kind::Normal:
    case Initializer::Kind::KaimingFanOut:
      break;
  }
  return 2;
}

float draw(const Parameter& p, Random& random) {
  const double window = p.role == ParameterRole::ConvWeight ? static_cast<double>(p.shape[1] * p.shape[2]) : 1;
  switch (p.initializer.kind) {
    case Initializer::Kind::Constant:
      break;
    case Initializer::Kind::Normal:
      return static_cast<float>(p.initializer.a * random.normal());
    case Initializer::Kind::KaimingFanOut:
      return static_cast<float>(std::sqrt(2 / (static_cast<double>(p.shape[0]) * window)) * random.normal());
    case Initializer::Kind::KaimingUniform:
      return static_cast<float>(std::sqrt(3 / (static_cast<double>(p.shape[3]) * window)) * (2 * random.uniform() - 1));
  }
  return p.initializer.a;
}
}  // namespace

Parameter& ParameterStore::add(std::string name, Shape shape, ParameterRole role, bool trainable,
                               Initializer initializer) {
  require(!trained_values_, "a parameter was added after the store was allocated");
  require(find(name) == nullptr, "two parameters have the same name");
  return parameters_.emplace_back(Parameter{std::move(name), std::move(shape), role, trainable, initializer});
}

void ParameterStore::add_working(Parameter& weight, Parameter* bias, const std::optional<FoldableNorm>& norm,
                                 bool folds_in_training) {
  weight.working = &working_.emplace_back(weight, bias, norm, folds_in_training);
  if (bias != nullptr) bias->bias_of = weight.working;
}

Parameter* ParameterStore::find(const std::string& name) {
  for (Parameter& parameter : parameters_)
    if (parameter.name == name) return &parameter;
  return nullptr;
}

void ParameterStore::allocate(Context& context, std::optional<uint64_t> seed) {
  int64_t trained = 0, fixed = 0;
  for (const Parameter& p : parameters_) (p.trainable ? trained : fixed) += padded(p.shape.count());
  trained_values_ = Tensor::zeros(context.memory, {trained}, DType::F32, MemoryUse::Parameters);
  fixed_values_ = Tensor::zeros(context.memory, {fixed}, DType::F32, MemoryUse::Parameters);
  gradients_ = Tensor::zeros(context.memory, {trained}, DType::F32, MemoryUse::Gradients);
  trained = fixed = 0;
  for (Parameter& p : parameters_) {
    int64_t& offset = p.trainable ? trained : fixed;
    p.value = (p.trainable ? trained_values_ : fixed_values_).view(p.shape, offset);
    if (p.trainable) {
      p.gradient = gradients_.view(p.shape, offset);
      p.value.set_requires_gradient(true);
    }
    (p.trainable ? trainable_count_ : fixed_count_) += p.shape.count();
    offset += padded(p.shape.count());
    if (seed) initialize(p, *seed);
  }
}

void ParameterStore::initialize(Parameter& p, uint64_t seed) {
  std::vector<float> values(static_cast<size_t>(p.shape.count()));
  const auto count = static_cast<int64_t>(values.size());
  // Each chunk continues the parameter's stream where the one before it ends.
  constexpr int64_t kChunk = 4096;
#pragma omp parallel for schedule(static)
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    Random random(seed, stream::kInitialize, fnv1a_32(p.name));
    random.skip(static_cast<uint64_t>(begin * draws_of(p.initializer.kind)));
    for (int64_t i = begin; i < std::min(begin + kChunk, count); ++i) values[static_cast<size_t>(i)] = draw(p, random);
  }
  p.value.upload(values);
}

int64_t ParameterStore::offset_of(const Parameter& parameter) const {
  return parameter.value.data<float>() - trained_values_.data<float>();
}

std::pair<int64_t, int64_t> ParameterStore::trained_range(const std::string& prefix) const {
  int64_t begin = 0, end = 0;
  for (const Parameter& p : parameters_) {
    if (!p.trainable || !p.name.starts_with(prefix)) continue;
    const int64_t offset = offset_of(p);
    if (begin == end) begin = end = offset;
    require(offset == end, "the parameters of a part of the network are not contiguous");
    end = offset + padded(p.shape.count());
  }
  return {begin, end};
}

void ParameterStore::before_step(Context& context) {
  for (WorkingWeight& working : working_) working.prepare_for_training(context, revision_);
}

void ParameterStore::stepped() {
  const uint64_t before = revision_++;
  for (WorkingWeight& working : working_) working.stepped(before, revision_);
  new_versions();
}

void ParameterStore::new_versions() {
  for (const Parameter& p : parameters_)
    if (p.trainable && p.working != nullptr) p.working->new_version();
}

void ParameterStore::fold_biases(Context& context) {
  for (WorkingWeight& working : working_) working.fold_bias(context);
}

void ParameterStore::bind_gradients(Tape& tape, bool accumulate) {
  for (Parameter& p : parameters_)
    if (p.trainable) tape.gradients().bind(p.value, p.gradient, accumulate);
}

}  // namespace fovea
