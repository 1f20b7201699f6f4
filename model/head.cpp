#include "model/head.h"

#include <fmt/format.h>

namespace fovea {

Head::Head(ParameterStore& store, const HeadConfig& config, const std::string& name, const std::string& output,
           int channels, int out_channels, float output_bias) {
  const Initialiser small = Initialiser::normal(0.01f);
  for (int i = 0; i < config.convolutions; ++i)
    tower_.emplace_back(store, ConvLayerConfig{.name = fmt::format("{}.conv.{}.0", name, i),
                                               .norm_name = fmt::format("{}.conv.{}.1", name, i),
                                               .in_channels = channels,
                                               .out_channels = channels,
                                               .bias = config.norm == Norm::None,
                                               .norm = config.norm,
                                               .norm_groups = config.norm_groups,
                                               .weight_initialiser = small});
  output_.emplace_back(store, ConvLayerConfig{.name = name + "." + output,
                                              .in_channels = channels,
                                              .out_channels = out_channels,
                                              .bias = true,
                                              .weight_initialiser = small,
                                              .bias_value = output_bias});
}

// Layer by layer, all levels each: a layer's packed weights are needed once, forward and backward.
std::vector<Tensor> Head::forward(Tape& tape, const std::vector<Tensor>& pyramid) {
  std::vector<Tensor> levels = pyramid;
  for (ConvLayer& layer : tower_)
    for (Tensor& x : levels) x = layer.forward(tape, x, /*relu=*/true);
  for (Tensor& x : levels) x = output_.back().forward_without_bias_gradient(tape, x);
  return levels;
}

Tensor Head::forward_level(Tape& tape, Tensor x) {
  for (ConvLayer& layer : tower_) x = layer.forward(tape, x, /*relu=*/true);
  return output_.back().forward_without_bias_gradient(tape, x);
}

}  // namespace fovea
