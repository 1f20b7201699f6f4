// Parameters with torchvision's names, in flat buffers: one for the values that are trained, one for their gradients,
// one for the values that are not (frozen weights, statistics).
#pragma once
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "engine/autograd.h"
#include "engine/tensor.h"
#include "engine/working_weight.h"

namespace fovea {

// Initial values. Normal: standard deviation `a`. KaimingFanOut (He et al. 2015, eq. 14): normal, std = sqrt(2 /
// fan_out). KaimingUniform: uniform, bound sqrt(3 / fan_in) (torch's kaiming_uniform_ with a = 1).
struct Initializer {
  enum class Kind : uint8_t { Constant, Normal, KaimingFanOut, KaimingUniform } kind = Kind::Constant;
  float a = 0;
  static Initializer constant(float value) { return {Kind::Constant, value}; }
  static Initializer normal(float deviation) { return {Kind::Normal, deviation}; }
  static Initializer kaiming_fan_out() { return {Kind::KaimingFanOut, 0}; }
  static Initializer kaiming_uniform() { return {Kind::KaimingUniform, 0}; }
};

// The part of the network that a parameter belongs to; said by the model.
enum class ParameterGroup : uint8_t { Backbone, Neck, Head };

enum class ParameterRole : uint8_t { ConvWeight, Bias, NormScale, NormShift, Statistic };

struct Parameter {
  std::string name;  // torchvision's state_dict key
  Shape shape;       // convolution weights: OHWI
  ParameterRole role;
  bool trainable;
  Initializer initializer;
  Tensor value;                      // fp32, a view into a flat buffer
  Tensor gradient;                   // trainable only: fp32, a view into the flat gradient
  WorkingWeight* working = nullptr;  // of a convolution's weight
  WorkingWeight* bias_of = nullptr;  // of a convolution's bias: of its weight
  ParameterGroup group = ParameterGroup::Head;
};

class ParameterStore {
 public:
  // Called while the model is put together; the reference stays valid.
  Parameter& add(std::string name, Shape shape, ParameterRole role, bool trainable, Initializer initializer);
  // Gives a convolution's weight its working form, with its bias (or nullptr) and the norm behind it where that can be
  // folded (see WorkingWeight).
  void add_working(Parameter& weight, Parameter* bias, const std::optional<FoldableNorm>& norm, bool folds_in_training);
  // Allocates the flat buffers and draws the initial values from (seed, name): the same whatever else the model holds,
  // and for any number of threads. Without a seed they stay zero, for values that are loaded or never read.
  void allocate(Context& context, std::optional<uint64_t> seed);

  std::deque<Parameter>& all() { return parameters_; }
  const std::deque<Parameter>& all() const { return parameters_; }
  Parameter* find(const std::string& name);

  const Tensor& trained_values() const { return trained_values_; }
  const Tensor& fixed_values() const { return fixed_values_; }
  const Tensor& gradients() const { return gradients_; }
  int64_t trainable_count() const { return trainable_count_; }
  int64_t total_count() const { return trainable_count_ + fixed_count_; }
  // Element range of a trainable parameter within the flat buffers (padded to 16 elements).
  int64_t offset_of(const Parameter& parameter) const;

  // Range within the flat buffers of the trainable parameters whose names begin with `prefix`; empty where there are
  // none. They must be neighbors.
  std::pair<int64_t, int64_t> trained_range(const std::string& prefix) const;

  // Values were changed (loaded, exchanged): working forms are made anew.
  void touch() { ++revision_; }
  uint64_t revision() const { return revision_; }
  // Brings the working forms to what a training step takes, so that a recording of the step need not.
  void before_step(Context& context);
  // The optimizer's step has changed the trained values and the working forms for training; others are made anew. To be
  // said again where the step is replayed.
  void stepped();
  void new_versions();                 // of what a step changes; in the queue
  void fold_biases(Context& context);  // after a step, of convolutions that have a bias and a frozen norm

  // Binds every trainable parameter's gradient for one backward pass.
  void bind_gradients(Tape& tape, bool accumulate);

 private:
  void initialize(Parameter& parameter, uint64_t seed);

  std::deque<Parameter> parameters_;
  std::deque<WorkingWeight> working_;
  Tensor trained_values_, fixed_values_, gradients_;
  int64_t trainable_count_ = 0, fixed_count_ = 0;
  uint64_t revision_ = 1;
};

}  // namespace fovea
