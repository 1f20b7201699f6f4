// A loaded batch on the device: resized, flipped, normalised, padded to one size; its boxes moved alike.
#pragma once
#include <vector>

#include "engine/context.h"
#include "model/anchors.h"
#include "model/loss.h"
#include "tools/data/loader.h"

namespace fovea {

struct DeviceBatch {
  Tensor images;       // [N, H, W, 3] in the activation dtype
  Truth truth;         // in pixels of the network's input
  Tensor image_sizes;  // fp32 [N, 2] height, width of the content
  Tensor image_scale;  // fp32 [N, 2] factors of y and x back to the original image
  LevelSize size;      // H, W
  std::vector<const Sample*> samples;
};

DeviceBatch stage(Context& context, const std::vector<LoadedImage>& loaded, const InputConfig& input);

}  // namespace fovea
