// RetinaNet (Lin et al. 2017, "Focal Loss for Dense Object Detection", figure 3).
#pragma once
#include <map>
#include <memory>
#include <optional>

#include "model/backbone/backbone.h"
#include "model/detect.h"
#include "model/fpn.h"
#include "model/heads.h"
#include "model/loss.h"
#include "model/size2d.h"

namespace fovea {

class RetinaNet {
 public:
  // Initial weights depend on the seed and the parameters' names only; without a seed they are zero, for a network
  // whose weights are loaded or never read. `context` outlives the network.
  RetinaNet(Context& context, const ModelConfig& config, std::optional<uint64_t> seed);

  // images: [N, H, W, 3] in the context's activation dtype.
  Outputs forward(Tape& tape, const Tensor& images);
  // Its three parts.
  Features features(Tape& tape, const Tensor& images);
  std::vector<Tensor> pyramid(Tape& tape, const Features& features);
  Outputs heads(Tape& tape, const std::vector<Tensor>& pyramid);

  // Losses, and the gradients of all parameters but for the backward pass: tape.backward() runs that. Overwrites the
  // outputs.
  Losses loss(Tape& tape, const Outputs& outputs, Size2d image, const Truth& truth);
  Tensor anchor_targets(const Outputs& outputs, Size2d image, const Truth& truth);
  std::vector<LevelLosses> losses_by_level(const Outputs& outputs, Size2d image, const Truth& truth);
  DeviceDetections detect(const Outputs& outputs, Size2d image, const Tensor& image_sizes, const Tensor& image_scale);

  const Tensor& anchors_for(const Outputs& outputs, Size2d image);  // made once for each size

  ParameterStore& parameters() { return parameters_; }
  const ParameterStore& parameters() const { return parameters_; }
  const ModelConfig& config() const { return config_; }
  ModelConfig& config() { return config_; }
  Context& context() { return context_; }

 private:
  const Tensor& class_weights();  // of the loss, made once; none where there are none

  Context& context_;
  ModelConfig config_;
  ParameterStore parameters_;
  std::unique_ptr<Backbone> backbone_;
  Fpn fpn_;
  Heads heads_;
  std::map<std::pair<int, int>, Tensor> anchors_;
  Tensor class_weights_;
};

}  // namespace fovea
