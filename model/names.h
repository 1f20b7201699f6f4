// The names of the network's parts: prefixes of its parameters' names, which are torchvision's.
#pragma once
#include <string>

#include "engine/parameters.h"

namespace fovea::names {

inline constexpr const char* kBackbone = "backbone.body.";
inline constexpr const char* kFpn = "backbone.fpn.";
inline constexpr const char* kHeads = "head.";
inline constexpr const char* kClassHead = "head.classification_head";
inline constexpr const char* kBoxHead = "head.regression_head";
// Ends the names of the counts that torchvision's norms keep beside their statistics.
inline constexpr const char* kBatchCount = ".num_batches_tracked";
// The last convolution of a head.
inline constexpr const char* kLogits = "cls_logits";
inline constexpr const char* kDeltas = "bbox_reg";

inline std::string logits_weight() { return std::string(kClassHead) + "." + kLogits + ".weight"; }
inline std::string logits_bias() { return std::string(kClassHead) + "." + kLogits + ".bias"; }

inline ParameterGroup group_of(const std::string& parameter) {
  if (parameter.starts_with(kBackbone)) return ParameterGroup::Backbone;
  return parameter.starts_with(kFpn) ? ParameterGroup::Neck : ParameterGroup::Head;
}

}  // namespace fovea::names
