// Random head outputs of RetinaNet at 800 x 800 on a queue's device: five levels, 120,087 anchors, and the anchors'
// boxes.
#pragma once
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "benchmarks/device.h"
#include "kernels/level_view.h"

namespace fovea::bench {

inline constexpr int kAnchorsPerLocation = 9, kLevels = 5, kImageSide = 800, kFirstStride = 8;
inline int side_of(int level) { return (kImageSide + (kFirstStride << level) - 1) / (kFirstStride << level); }

// [1, side, side, 9 · columns + padding to a multiple of 8] a level, normally distributed.
template <class T>
class HeadOutput {
 public:
  HeadOutput(Queue& queue, int columns, float mean, float deviation) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(mean, deviation);
    view_.levels = kLevels;
    view_.images = 1;
    view_.anchors_per_location = kAnchorsPerLocation;
    view_.columns = columns;
    view_.pixel_stride = (kAnchorsPerLocation * columns + 7) / 8 * 8;
    for (int l = 0; l < kLevels; ++l) {
      std::vector<T> values(size_t(side_of(l)) * side_of(l) * view_.pixel_stride);
      for (T& value : values) value = normal(random);
      data_.push_back(std::make_unique<Buffer<T>>(queue, values));
      view_.data[l] = data_[l]->data();
      view_.first_anchor[l + 1] = view_.first_anchor[l] + side_of(l) * side_of(l) * kAnchorsPerLocation;
    }
  }
  LevelView<T> view() { return view_; }
  LevelView<const T> view() const { return view_; }

 private:
  std::vector<std::unique_ptr<Buffer<T>>> data_;
  LevelView<T> view_;
};

inline std::vector<float> anchor_boxes() {
  std::vector<float> anchors;
  for (int l = 0; l < kLevels; ++l)
    for (int y = 0; y < side_of(l); ++y)
      for (int x = 0; x < side_of(l); ++x)
        for (int a = 0; a < kAnchorsPerLocation; ++a) {
          const float stride = static_cast<float>(kFirstStride << l), ratio = 0.5f * static_cast<float>(1 << a / 3);
          const float size = 4 * stride * std::exp2(static_cast<float>(a % 3) / 3);
          const float w = size / std::sqrt(ratio), h = size * std::sqrt(ratio);
          const float cx = static_cast<float>(x) * stride, cy = static_cast<float>(y) * stride;
          anchors.insert(anchors.end(), {cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2});
        }
  return anchors;
}

}  // namespace fovea::bench
