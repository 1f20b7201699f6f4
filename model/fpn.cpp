#include "model/fpn.h"

#include <fmt/format.h>

#include "model/names.h"

namespace fovea {

Fpn::Fpn(ParameterStore& store, const FpnConfig& config, const std::array<int, 3>& in_channels) : config_(config) {
  const auto conv = [&](const std::string& name, int channels, int kernel, int stride) {
    return ConvLayerConfig{.name = names::kFpn + name,
                           .in_channels = channels,
                           .out_channels = config.channels,
                           .kernel = kernel,
                           .stride = stride,
                           .pad = kernel / 2,
                           .bias = true,
                           .weight_initializer = Initializer::kaiming_uniform()};
  };
  for (size_t i = 0; i < in_channels.size(); ++i)
    lateral_.emplace_back(store, conv(fmt::format("inner_blocks.{}.0", i), in_channels[i], 1, 1));
  for (size_t i = 0; i < in_channels.size(); ++i)
    output_.emplace_back(store, conv(fmt::format("layer_blocks.{}.0", i), config.channels, 3, 1));
  extra_.emplace_back(store, conv("extra_blocks.p6", config.p6_from_c5 ? in_channels[2] : config.channels, 3, 2));
  extra_.emplace_back(store, conv("extra_blocks.p7", config.channels, 3, 2));
}

std::vector<Tensor> Fpn::forward(Tape& tape, const Features& c) {
  const auto plain = [&](ConvLayer& layer, const Tensor& x) { return layer.forward(tape, x, /*relu=*/false); };
  const Tensor m5 = plain(lateral_[2], c.c5);
  const Tensor m4 = ops::upsample_add(tape, plain(lateral_[1], c.c4), m5);
  const Tensor m3 = ops::upsample_add(tape, plain(lateral_[0], c.c3), m4);
  const Tensor p3 = plain(output_[0], m3), p4 = plain(output_[1], m4), p5 = plain(output_[2], m5);
  const Tensor p6 = plain(extra_[0], config_.p6_from_c5 ? c.c5 : p5);
  const Tensor p7 = plain(extra_[1], config_.relu_before_p7 ? ops::relu(tape, p6) : p6);
  return {p3, p4, p5, p6, p7};
}

}  // namespace fovea
