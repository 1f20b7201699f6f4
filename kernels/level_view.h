// The outputs of a head over all pyramid levels, addressed in place: no permute, no concatenation.
#pragma once
#include <cstdint>
#include <type_traits>

#include "kernels/launch/function.h"
#include "kernels/launch/math.h"

namespace fovea {

inline constexpr int kMaxLevels = 8;

// What stands in place of a class or a box where an anchor has none.
inline constexpr int32_t kBackground = -1;
inline constexpr int32_t kIgnored = -2;  // takes no part in the losses

// Some neighboring locations of one level of one image.
struct LocationChunk {
  int image, level, first, count;  // the first location, within the level and image
};

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

  // A view that only reads: U = const T. (A template, since nvcc warns of a conversion to the class's own type.)
  template <class U, class = std::enable_if_t<std::is_same_v<U, const T> && !std::is_const_v<T>>>
  FOVEA_HD operator LevelView<U>() const {  // NOLINT(google-explicit-constructor): as T* is a const T*
    LevelView<U> same;
    for (int l = 0; l < kMaxLevels; ++l) same.data[l] = data[l];
    for (int l = 0; l <= kMaxLevels; ++l) same.first_anchor[l] = first_anchor[l];
    same.levels = levels;
    same.images = images;
    same.anchors_per_location = anchors_per_location;
    same.columns = columns;
    same.pixel_stride = pixel_stride;
    return same;
  }

  FOVEA_HD int anchors() const { return first_anchor[levels]; }
  FOVEA_HD int locations(int level) const {
    return (first_anchor[level + 1] - first_anchor[level]) / anchors_per_location;
  }
  FOVEA_HD int row_columns() const { return anchors_per_location * columns; }  // of a location, without padding

  // An image's locations in chunks of `size`, none across levels, so that work is shared out alike on every device.
  FOVEA_HD int chunks(int size) const {
    int count = 0;
    for (int level = 0; level < levels; ++level) count += ceil_div(locations(level), size);
    return count;
  }
  // The `index`-th of images · chunks(size).
  FOVEA_HD LocationChunk chunk(int64_t index, int size) const {
    const int per_image = chunks(size);
    int rest = static_cast<int>(index % per_image), level = 0;
    for (; rest >= ceil_div(locations(level), size); ++level) rest -= ceil_div(locations(level), size);
    const int first = rest * size, left = locations(level) - first;
    return {static_cast<int>(index / per_image), level, first, left < size ? left : size};
  }
  // The elements of a chunk's first location; the following ones lie pixel_stride apart.
  FOVEA_HD T* row(const LocationChunk& c) const {
    return data[c.level] + (int64_t{c.image} * locations(c.level) + c.first) * pixel_stride;
  }
  // The number, within an image, of the first anchor of a chunk.
  FOVEA_HD int anchor(const LocationChunk& c) const { return first_anchor[c.level] + c.first * anchors_per_location; }
  FOVEA_HD int level_of(int anchor) const {
    int level = 0;
    while (level + 1 < levels && anchor >= first_anchor[level + 1]) ++level;
    return level;
  }
  // The `columns` neighboring elements of one anchor of one image.
  FOVEA_HD T* row(int image, int anchor) const {
    const int level = level_of(anchor);
    const int local = anchor - first_anchor[level];
    const int location = local / anchors_per_location;
    return data[level] + (int64_t{image} * locations(level) + location) * pixel_stride +
           (local - location * anchors_per_location) * columns;
  }
};

}  // namespace fovea
