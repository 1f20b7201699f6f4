// A decoded image with its objects: what augmentations take and give.
#pragma once
#include <memory>
#include <vector>

#include "model/size2d.h"
#include "tools/data/dataset.h"
#include "tools/image/image_file.h"

namespace fovea {

// The size of an image in the network: short side to `short_side`, unless the long side would exceed `long_side`;
// rounded as torchvision's GeneralizedRCNNTransform does (the ratio in fp32, the size cut). At least 1.
Size2d resized(Size2d image, int short_side, int long_side);

struct LabeledImage {
  std::shared_ptr<const Image> image;
  std::vector<Object> objects;  // in pixels of `image`
  Size2d full{};  // how large it would be at the file's own resolution, which the size in the network is worked out of
  int divisor = 1;  // of the file's resolution: boxes times this are in the file's pixels
};

}  // namespace fovea
