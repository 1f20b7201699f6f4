#include "tools/analysis/roofline.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/device/device_rates.h"
#include "model/names.h"
#include "tools/report/table.h"

namespace fovea {

namespace {

constexpr double kBf16 = 2, kFp32 = 4;  // bytes

LayerCost cost_of(const ConvTrace& trace) {
  const kernels::ConvShape& s = trace.shape;
  const double flop = 2.0 * static_cast<double>(s.macs()), x = static_cast<double>(s.input_count()),
               y = static_cast<double>(s.output_count()), w = static_cast<double>(s.weight_count());
  LayerCost cost{.name = trace.name, .forward = {flop, kBf16 * (x + w + y + (trace.fusion.add ? y : 0))}};
  // A pass of its own; or, inside of other kernels, one bit an element that is written and read.
  if (trace.fusion.relu && (trace.data_gradient || trace.weight_gradient))
    cost.mask = {0, trace.offers_mask ? 2 * y / 8 : kBf16 * 3 * y};
  if (trace.data_gradient) cost.data_gradient = {flop, kBf16 * (x + w + y)};
  // cuDNN writes bf16, a pass of ours makes it fp32.
  if (trace.weight_gradient) cost.weight_gradient = {flop, kBf16 * (x + y + 2 * w) + kFp32 * w};
  return cost;
}

}  // namespace

RooflineDevice h200_roofline() { return {"NVIDIA H200", kernels::kH200Products, kernels::kH200Bytes}; }

double Cost::seconds(const RooflineDevice& device) const {
  return std::max(flop / device.flop_per_second, bytes / device.bytes_per_second);
}

Cost LayerCost::training() const {
  Cost sum;
  for (const Cost& cost : {forward, mask, data_gradient, weight_gradient}) {
    sum.flop += cost.flop;
    sum.bytes += cost.bytes;
  }
  return sum;
}

double LayerCost::training_seconds(const RooflineDevice& device) const {
  return forward.seconds(device) + mask.seconds(device) + data_gradient.seconds(device) +
         weight_gradient.seconds(device);
}

std::vector<LayerCost> layer_costs(const std::vector<ConvTrace>& training, const RetinaNet& model) {
  std::vector<LayerCost> costs;
  double logits = 0;
  for (const ConvTrace& trace : training) {
    costs.push_back(cost_of(trace));
    if (trace.name == names::logits_weight()) logits += static_cast<double>(trace.shape.output_count());
  }
  const double trained = static_cast<double>(model.parameters().trainable_count());
  // Training only: listed as gradients, so that detection does not count them.
  costs.push_back({.name = "focal loss and gradient", .mask = {0, 2 * kBf16 * logits}});
  costs.push_back({.name = "gradient norm", .mask = {0, kFp32 * trained}});
  costs.push_back({.name = "SGD with momentum, weights in bf16", .mask = {0, (5 * kFp32 + kBf16) * trained}});
  return costs;
}

std::string roofline_table(const std::vector<LayerCost>& costs, const RooflineDevice& device, int batch) {
  const auto micro = [&](const Cost& cost) {
    const double seconds = cost.seconds(device);
    return seconds > 0 ? fmt::format("{:.1f}", 1e6 * seconds) : std::string("-");
  };
  Table table({"layer", "GFLOP", "MB", "forward us", "mask us", "data us", "weight us"});
  double forward = 0, training = 0, forward_flop = 0, training_flop = 0;
  for (const LayerCost& cost : costs) {
    const Cost all = cost.training();
    table.add({cost.name, fmt::format("{:.2f}", all.flop / 1e9), fmt::format("{:.1f}", all.bytes / 1e6),
               micro(cost.forward), micro(cost.mask), micro(cost.data_gradient), micro(cost.weight_gradient)});
    forward += cost.forward.seconds(device);
    training += cost.training_seconds(device);
    forward_flop += cost.forward.flop;
    training_flop += all.flop;
  }
  const auto line = [&](const char* what, double flop, double seconds) {
    return fmt::format("{}: {:.1f} GFLOP per image, {:.3f} ms per batch of {}, at most {:.0f} images/s\n", what,
                       flop / 1e9 / batch, 1e3 * seconds, batch, batch / seconds);
  };
  return table.text() +
         fmt::format("{}: {:.0f} TFLOP/s, {:.1f} TB/s; a launch takes the longer of its two times\n", device.name,
                     device.flop_per_second / 1e12, device.bytes_per_second / 1e12) +
         line("detection without its last step", forward_flop, forward) + line("training", training_flop, training);
}

}  // namespace fovea
