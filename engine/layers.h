// Layers: parameters with names, and how they are applied.
#pragma once
#include <string>

#include "engine/norm.h"
#include "engine/ops.h"
#include "engine/parameters.h"

namespace fovea {

struct ConvLayerConfig {
  std::string name;       // of the convolution: name.weight, name.bias
  std::string norm_name;  // of its norm: norm_name.weight …
  int in_channels = 0, out_channels = 0;
  kernels::Extent kernel = 3;
  int stride = 1;
  kernels::Extent pad = 1;
  int groups = 1;
  bool bias = false;
  Norm norm = Norm::None;
  int norm_groups = 32;
  float epsilon = 1e-5f;
  bool trainable = true;
  Initializer weight_initializer = Initializer::kaiming_fan_out();
  float bias_value = 0;
  float norm_scale =
      1;  // initial weight of the norm (0 in the last norm of a residual branch starts it as the identity)
};

// A convolution and what follows it: norm, residual, ReLU. A frozen batch norm, and any batch norm in evaluation, is
// folded into the weights (WorkingWeight).
class ConvLayer {
 public:
  ConvLayer(ParameterStore& store, const ConvLayerConfig& config);

  Tensor forward(Tape& tape, const Tensor& x, bool relu, const Tensor& add = {});
  // What a head ends in: without a bias gradient in backward, since whoever computes the output's gradient sums it in
  // the same pass; and with zeros behind a pixel's channels where a GPU's tensor cores take more (as LevelView has it).
  Tensor forward_to_loss(Tape& tape, const Tensor& x);

  const ConvLayerConfig& config() const { return config_; }
  const Parameter& weight() const { return *weight_; }
  const Parameter* bias() const { return bias_; }

 private:
  ops::ConvArgs prepare(Tape& tape, bool fold);

  ConvLayerConfig config_;
  ParameterStore* store_;
  Parameter* weight_;
  Parameter* bias_ = nullptr;
  Parameter *norm_scale_ = nullptr, *norm_shift_ = nullptr, *mean_ = nullptr, *variance_ = nullptr;
};

}  // namespace fovea
