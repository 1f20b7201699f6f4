// Feature pyramid network (Lin et al. 2017), as RetinaNet takes it: P3 … P7, strides 8 … 128.
//   M5 = 1×1(C5)    M4 = 1×1(C4) + up(M5)    M3 = 1×1(C3) + up(M4)    Pl = 3×3(Ml)
//   P6 = 3×3/2(C5 or P5)    P7 = 3×3/2(relu(P6) or P6)
#pragma once
#include <vector>

#include "engine/layers.h"
#include "model/backbone/backbone.h"

namespace fovea {

class Fpn {
 public:
  Fpn(ParameterStore& store, const FpnConfig& config, const std::array<int, 3>& in_channels);
  std::vector<Tensor> forward(Tape& tape, const Features& c);

 private:
  FpnConfig config_;
  std::vector<ConvLayer> lateral_, output_;
  std::vector<ConvLayer> extra_;  // P6, P7
};

}  // namespace fovea
