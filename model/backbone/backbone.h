// A backbone turns images into three feature maps, C3, C4 and C5, of strides 8, 16 and 32.
#pragma once
#include <array>
#include <memory>
#include <span>
#include <string>

#include "engine/autograd.h"
#include "engine/parameters.h"
#include "model/config.h"

namespace fovea {

struct Features {
  Tensor c3, c4, c5;
};

class Backbone {
 public:
  virtual ~Backbone() = default;
  // images: [N, H, W, 3], normalized.
  virtual Features forward(Tape& tape, const Tensor& images) = 0;
  virtual std::array<int, 3> channels() const = 0;  // of C3, C4, C5
};

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

// Throws Error(Data) for images with a side below `smallest`, of which no pixel would be left in C5.
void require_image_size(const Tensor& images, int smallest, const char* name);

// Throws Error(Usage) for a depth that there is not.
std::unique_ptr<Backbone> make_backbone(ParameterStore& store, const BackboneConfig& config);

}  // namespace fovea
