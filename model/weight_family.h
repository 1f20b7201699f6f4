// What other programs call the tensors of a RetinaNet, and how they keep those that they keep otherwise: one table for
// each, for reading and for writing (docs/weights.md has them too).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/config.h"

namespace fovea {

// Families that differ in nothing that a file would show have the same names: Detectron2 and Detectron2Rgb, MMDetection
// and MMDetectionCaffe.
enum class WeightFamily : uint8_t {
  Torchvision,
  Torchvision2020,  // before its release 0.14
  Detectron2,
  Detectron2Rgb,  // with a backbone of torchvision's, in place of its usual one, which is Caffe's
  MMDetection,
  MMDetectionCaffe,
  Odtk
};

struct FamilyTraits {
  WeightFamily family;
  const char* word;     // in options
  const char* program;  // in sentences
  bool caffe;           // images in BGR, of 0 … 255 without a scale, and strides in the backbone's 1×1 convolutions
  bool size_major;      // anchors of a location: of one size its ratios; else, as ours, of one ratio its sizes
};
std::span<const FamilyTraits> weight_families();
const FamilyTraits& traits_of(WeightFamily family);
bool is_torchvision(WeightFamily family);  // of today or of 2020
bool is_mmdetection(WeightFamily family);  // whichever its backbone

// The name that the family has for the network's tensor `own` (torchvision's of today), of a network of this
// configuration. A name that is none of the network's comes back as it is.
std::string family_name(WeightFamily family, const std::string& own, const ModelConfig& config);

// What this network has that the family's does not, in words; empty: nothing.
std::string missing_in(WeightFamily family, const ModelConfig& config);

// Whether the family keeps this tensor in another order: the outputs of the heads by its anchors, the first convolution
// by the image's channels.
bool is_rearranged(WeightFamily family, const std::string& own);
// The values of a tensor, of any dtype and in C order, as the family keeps them, from those in torchvision's order; and
// back. `shape`: torchvision's, which is the same in every family. Others than is_rearranged() come back as they are.
std::vector<std::byte> to_family(WeightFamily family, const std::string& own, std::span<const std::byte> values,
                                 const std::vector<int64_t>& shape, const ModelConfig& config);
std::vector<std::byte> from_family(WeightFamily family, const std::string& own, std::span<const std::byte> values,
                                   const std::vector<int64_t>& shape, const ModelConfig& config);

// "ResNet50FPN": as ODTK names a network by its backbone; empty where it has none of these.
std::string odtk_backbone(const BackboneConfig& config);

}  // namespace fovea
