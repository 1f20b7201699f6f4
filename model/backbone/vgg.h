// VGG (Simonyan & Zisserman 2015), with or without norms, as torchvision's `features`: five stages of 3×3 convolutions,
// each of which ends in a pooling that halves the image. C3, C4, C5 are what the last three poolings leave.
#pragma once
#include <string>
#include <vector>

#include "engine/layers.h"
#include "model/backbone/backbone.h"

namespace fovea {

// The depth whose stages have these convolutions; 0: none.
int depth_of_convolutions(const std::vector<int>& convolutions);

class Vgg : public Backbone {
 public:
  Vgg(ParameterStore& store, const BackboneConfig& config);
  Features forward(Tape& tape, const Tensor& images) override;
  std::array<int, 3> channels() const override { return channels_; }

 private:
  struct Stage {
    std::string part;  // what the names of its parameters begin with, for Tape::mark()
    std::vector<ConvLayer> convolutions;
  };
  std::vector<Stage> stages_;
  std::array<int, 3> channels_{};
};

}  // namespace fovea
