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
  // The two parts of forward(): the tower's first convolution, whose backward writes the pyramid's gradients, and the
  // layers behind it, which share nothing with another head.
  std::vector<Tensor> enter(Tape& tape, const std::vector<Tensor>& pyramid);
  std::vector<Tensor> follow(Tape& tape, std::vector<Tensor> levels);
  bool has_tower() const { return !tower_.empty(); }
  const Parameter& output_bias() const { return *output_.back().bias(); }

 private:
  static void forward_layer(Tape& tape, ConvLayer& layer, std::vector<Tensor>& levels);

  std::vector<ConvLayer> tower_;
  std::vector<ConvLayer> output_;  // one
};

}  // namespace fovea
