// The outputs of a head over all pyramid levels, addressed in place: no permute, no concatenation.
#pragma once
#include <cstdint>

#include "kernels/function.h"

namespace fovea {

inline constexpr int kMaxLevels = 8;

// What stands in place of a class or a box where an anchor has none.
inline constexpr int32_t kBackground = -1;
inline constexpr int32_t kIgnored = -2;  // takes no part in the losses

// Level l is an NHWC tensor [images, height_l, width_l, anchors_per_location * columns] whose locations lie
// `pixel_stride` elements apart (>= anchors_per_location * columns; the excess is padding). Anchors are numbered within
// an image as torchvision does: level, y, x, anchor of the location.
template <class T>
struct LevelView {
  T* data[kMaxLevels] = {};
  int first_anchor[kMaxLevels + 1] = {};  // of each level; [levels] = anchors an image
  int levels = 0;
  int images = 0;
  int anchors_per_location = 0;
  int columns = 0;  // classes, or 4 box deltas
  int pixel_stride = 0;

  FN int anchors() const { return first_anchor[levels]; }
  FN int level_of(int anchor) const {
    int level = 0;
    while (level + 1 < levels && anchor >= first_anchor[level + 1]) ++level;
    return level;
  }
  // The `columns` neighbouring elements of one anchor of one image.
  FN T* row(int image, int anchor) const {
    const int level = level_of(anchor);
    const int local = anchor - first_anchor[level];
    const int64_t locations = (first_anchor[level + 1] - first_anchor[level]) / anchors_per_location;
    const int64_t location = local / anchors_per_location;
    return data[level] + (image * locations + location) * pixel_stride + (local % anchors_per_location) * columns;
  }
};

}  // namespace fovea
