// ResNet (He et al. 2016), the form of torchvision: in a bottleneck the 3×3 convolution has the stride, or the first
// 1×1 where the configuration says so. And ResNeXt (Xie et al. 2017), whose 3×3 convolutions are in groups.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "engine/layers.h"
#include "model/backbone/backbone.h"

namespace fovea {

// The depth whose stages have these blocks; 0: none.
int depth_of_blocks(bool bottleneck, const std::vector<int>& blocks);

// y = relu(F(x) + shortcut(x)); F: two 3×3 convolutions (basic), or 1×1, 3×3, 1×1 (bottleneck); shortcut: x or a 1×1
// convolution.
class ResidualBlock {
 public:
  struct Shape {
    bool bottleneck;
    int in_channels, inner, out_channels;  // inner: of the 3×3 convolution
    int stride;
  };
  ResidualBlock(ParameterStore& store, const BackboneConfig& config, const std::string& name, const Shape& shape,
                bool trainable);
  Tensor forward(Tape& tape, const Tensor& x);

 private:
  std::vector<ConvLayer> branch_;
  std::unique_ptr<ConvLayer> shortcut_;
};

class ResNet : public Backbone {
 public:
  ResNet(ParameterStore& store, const BackboneConfig& config);
  Features forward(Tape& tape, const Tensor& images) override;
  std::array<int, 3> channels() const override { return channels_; }

 private:
  std::unique_ptr<ConvLayer> stem_;
  std::vector<std::vector<ResidualBlock>> stages_;
  std::array<int, 3> channels_{};
};

}  // namespace fovea
