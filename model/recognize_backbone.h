// The part of recognize() that tells the backbone.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "model/config.h"

namespace fovea {

// What recognition asks a file, by the network's own names.
struct TensorShapes {
  std::function<bool(const std::string& own)> has;
  // Throws Error(Data) where there is none, or one of another rank, or one with a size that no network has.
  std::function<std::vector<int>(const std::string& own, size_t rank)> of;
  // Throws Error(Data): the tensor, and what is wrong with it.
  std::function<void(const std::string& own, const std::string& why)> refuse;
};

// Kind, depth, blocks, widths and norm; leaves what shapes do not tell.
void recognize_backbone(const TensorShapes& shapes, BackboneConfig& config);

}  // namespace fovea
