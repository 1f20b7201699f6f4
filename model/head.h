// A head: the same small convolutional network over every level of the pyramid (section 4: classification and box
// subnets).
#pragma once
#include <string>
#include <vector>

#include "engine/layers.h"
#include "model/config.h"

namespace fovea {

class Head {
 public:
  // `name`: of the head; `output`: of its last convolution, which has `out_channels` and starts at `output_bias`.
  Head(ParameterStore& store, const HeadConfig& config, const std::string& name, const std::string& output,
       int channels, int out_channels, float output_bias);

  // [N, H, W, channels] to [N, H, W, out_channels] a level. The bias gradient of the last convolution is left to the
  // loss.
  std::vector<Tensor> forward(Tape& tape, const std::vector<Tensor>& pyramid);
  Tensor forward_level(Tape& tape, Tensor x);  // of one level alone
  const Parameter& output_bias() const { return *output_.back().bias(); }

 private:
  std::vector<ConvLayer> tower_;
  std::vector<ConvLayer> output_;  // one
};

}  // namespace fovea
