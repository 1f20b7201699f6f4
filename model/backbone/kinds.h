// What there is of each kind of backbone: for those who check or name a configuration, too.
#pragma once
#include <cstddef>
#include <span>
#include <string>

#include "model/config.h"

namespace fovea {

// The depths that there are of a kind, ascending, and the usual one.
std::span<const int> depths_of(BackboneKind kind);
int usual_depth(BackboneKind kind);
// The kind has become another: what the new one does not have becomes usual.
void change_kind(BackboneConfig& config, BackboneKind kind);
constexpr bool is_residual(BackboneKind kind) { return kind == BackboneKind::ResNet || kind == BackboneKind::ResNeXt; }
// Numbers of BackboneConfig::layers: stages of blocks or of convolutions; 0: the kind has no choice of them.
constexpr size_t stages_of(BackboneKind kind) { return is_residual(kind) ? 4 : kind == BackboneKind::Vgg ? 5 : 0; }
// "ResNet-50", "ResNeXt-101 32x8d", "Wide ResNet-50-2", "VGG-16", "Inception v3".
std::string backbone_name(const BackboneConfig& config);

// Of a bottleneck's 3×3 convolution: groups, and channels of a group in a stage of 64.
struct ConvGroups {
  int count, width;
};
ConvGroups groups_of(const BackboneConfig& config);

}  // namespace fovea
