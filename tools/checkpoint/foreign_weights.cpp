#include "tools/checkpoint/foreign_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/printable.h"
#include "kernels/notice.h"
#include "tools/text/advice.h"

namespace fovea {
namespace {

// What the same weights find depends on these, besides what the tensors' shapes tell.
constexpr const char* kUse[] = {"model.backbone.stride_in_1x1",
                                "model.backbone.norm_epsilon",
                                "model.fpn.p6_from_c5",
                                "model.fpn.relu_before_p7",
                                "model.anchors.rounded",
                                "model.anchors.offset",
                                "model.anchors.inclusive",
                                "input.mean",
                                "input.std"};

}  // namespace

Config config_for(const Recognized& recognized) {
  const ModelConfig& found = recognized.model;
  const bool second = found.head.norm == Norm::Group && found.fpn.p6_from_c5;
  Config config = preset(!is_torchvision(recognized.family) ? "paper" : second ? "torchvision_v2" : "torchvision");
  const LossConfig loss = config.model.loss;
  const DetectConfig detect = config.model.detect;
  config.model = found;
  config.model.loss = loss;
  config.model.detect = detect;
  config.input.mean.assign(recognized.mean.begin(), recognized.mean.end());
  config.input.std.assign(recognized.deviation.begin(), recognized.deviation.end());
  config.input.jpeg_scaling = false;
  // Pillow, with which detectron2 and ODTK resize, filters as wide as it shrinks.
  const FamilyTraits& traits = traits_of(recognized.family);
  config.input.antialias = traits.size_major;
  return config;
}

std::vector<std::string> used_otherwise(const Recognized& recognized, const Config& config) {
  const Config there = config_for(recognized);
  std::vector<std::string> lines;
  for (const char* key : kUse)
    if (const std::string a = value_of(there, key), b = value_of(config, key); a != b)
      lines.push_back(fmt::format("{} = {} -> {}", key, a, b));
  return lines;
}

void tell_of_recognized(const std::string& name, const Recognized& recognized, const Config& config) {
  notice(fmt::format("{}: {}: {}", printable(name), traits_of(recognized.family).program, network_words(config.model)));
  const Config usual = config_for(recognized);
  std::vector<std::string> keys = recognized.assumed, taken;
  keys.insert(keys.end(), {"input.short_side", "input.long_side", "input.antialias"});
  for (const std::string& key : keys)
    if (value_of(usual, key) == value_of(config, key))
      taken.push_back(fmt::format("{} = {}", key, value_of(config, key)));
  if (!taken.empty())
    notice(fmt::format("{}: not in the file, taken as usual there: {}; {}", printable(name), fmt::join(taken, ", "),
                       advise(advice::kChangeSettings)));
}

}  // namespace fovea
