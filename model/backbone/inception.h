// Inception v3 (Szegedy et al. 2016, "Rethinking the Inception Architecture"), as torchvision has it: convolutions
// without padding in front, and blocks of branches whose outputs stand side by side along the channels. C3, C4, C5 are
// what Mixed_5d, Mixed_6e and Mixed_7c leave.
#pragma once
#include <string>
#include <vector>

#include "engine/layers.h"
#include "model/backbone/backbone.h"

namespace fovea {

class InceptionBlock {
 public:
  enum class Pool : uint8_t { None, Average, Max };
  struct Step {
    const char* name;
    int channels;
    kernels::Extent kernel = 1, pad = 0;
    int stride = 1;
  };
  // A pooling or none, convolutions one after the other, and at the end perhaps two side by side.
  struct BranchPlan {
    Pool pool = Pool::None;
    std::vector<Step> steps, ends;
  };
  using Plan = std::vector<BranchPlan>;

  InceptionBlock(ParameterStore& store, const BackboneConfig& config, const std::string& name, int in_channels,
                 const Plan& plan, bool trainable);
  Tensor forward(Tape& tape, const Tensor& x);
  int channels() const { return channels_; }

 private:
  struct Branch {
    Pool pool;
    std::vector<ConvLayer> steps, ends;
  };
  std::vector<Branch> branches_;
  int channels_ = 0;
};

class Inception : public Backbone {
 public:
  static constexpr int kSmallestImage = 75;  // a side, of which one pixel is left in C5
  Inception(ParameterStore& store, const BackboneConfig& config);
  Features forward(Tape& tape, const Tensor& images) override;
  std::array<int, 3> channels() const override { return channels_; }

 private:
  std::vector<ConvLayer> stem_;
  std::vector<std::vector<InceptionBlock>> stages_;  // Mixed_5…, Mixed_6…, Mixed_7…
  std::array<int, 3> channels_{};
};

}  // namespace fovea
