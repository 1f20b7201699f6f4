#include "model/head.h"

#include <fmt/format.h>

namespace fovea {

Head::Head(ParameterStore& store, const HeadConfig& config, const std::string& name, const std::string& output,
           int channels, int out_channels, float output_bias) {
  const Initializer small = Initializer::normal(0.01f);
  for (int i = 0; i < config.convolutions; ++i)
    tower_.emplace_back(store, ConvLayerConfig{.name = fmt::format("{}.conv.{}.0", name, i),
                                               .norm_name = fmt::format("{}.conv.{}.1", name, i),
                                               .in_channels = channels,
                                               .out_channels = channels,
                                               .bias = config.norm == Norm::None,
                                               .norm = config.norm,
                                               .norm_groups = config.norm_groups,
                                               .weight_initializer = small});
  output_.emplace_back(store, ConvLayerConfig{.name = name + "." + output,
                                              .in_channels = channels,
                                              .out_channels = out_channels,
                                              .bias = true,
                                              .weight_initializer = small,
                                              .bias_value = output_bias});
}

std::vector<Tensor> Head::forward(Tape& tape, const std::vector<Tensor>& pyramid) {
  return follow(tape, has_tower() ? enter(tape, pyramid) : pyramid);
}

std::vector<Tensor> Head::enter(Tape& tape, const std::vector<Tensor>& pyramid) {
  std::vector<Tensor> levels = pyramid;
  forward_layer(tape, tower_.front(), levels);
  return levels;
}

std::vector<Tensor> Head::follow(Tape& tape, std::vector<Tensor> levels) {
  for (size_t i = 1; i < tower_.size(); ++i) forward_layer(tape, tower_[i], levels);
  for (Tensor& x : levels) x = output_.back().forward_to_loss(tape, x);
  return levels;
}

// All levels one after the other: a layer's packed weights are needed once, forward and backward.
void Head::forward_layer(Tape& tape, ConvLayer& layer, std::vector<Tensor>& levels) {
  for (Tensor& x : levels) x = layer.forward(tape, x, /*relu=*/true);
}

Tensor Head::forward_level(Tape& tape, Tensor x) {
  for (ConvLayer& layer : tower_) x = layer.forward(tape, x, /*relu=*/true);
  return output_.back().forward_to_loss(tape, x);
}

}  // namespace fovea
