// What a head writes: one NHWC buffer a level, guarded, and the LevelView that kernels take.
#pragma once
#include <memory>
#include <utility>
#include <vector>

#include "kernels/level_view.h"
#include "tests/support/seeded.h"

namespace fovea::test {

struct HeadShape {
  std::vector<std::pair<int, int>> levels;  // height, width
  int images = 1, anchors_per_location = 1, columns = 1;
  int padding = 0;  // columns after each location's

  int anchors() const {
    int count = 0;
    for (const auto& [height, width] : levels) count += height * width * anchors_per_location;
    return count;
  }
  size_t elements() const { return size_t(images) * anchors() * columns; }  // without padding
};

template <class T>
class HeadTensor {
 public:
  explicit HeadTensor(const HeadShape& shape) : shape_(shape) {
    for (const auto& [height, width] : shape.levels)
      data_.push_back(std::make_unique<Guarded<T>>(size_t(shape.images) * height * width * stride()));
  }
  // `values`: [images, anchors, columns]
  HeadTensor(const HeadShape& shape, const std::vector<T>& values) : HeadTensor(shape) {
    size_t next = 0;
    for (int image = 0; image < shape.images; ++image)
      for (int anchor = 0; anchor < shape.anchors(); ++anchor)
        for (int column = 0; column < shape.columns; ++column) view().row(image, anchor)[column] = values[next++];
  }

  template <class U = T>
  LevelView<U> view() {
    LevelView<U> view;
    view.levels = static_cast<int>(shape_.levels.size());
    view.images = shape_.images;
    view.anchors_per_location = shape_.anchors_per_location;
    view.columns = shape_.columns;
    view.pixel_stride = stride();
    for (int level = 0; level < view.levels; ++level) {
      const auto& [height, width] = shape_.levels[level];
      view.data[level] = data_[level]->data();
      view.first_anchor[level + 1] = view.first_anchor[level] + height * width * shape_.anchors_per_location;
    }
    return view;
  }
  std::vector<T> values() {  // [images, anchors, columns]
    std::vector<T> values;
    for (int image = 0; image < shape_.images; ++image)
      for (int anchor = 0; anchor < shape_.anchors(); ++anchor) {
        const T* row = view().row(image, anchor);
        values.insert(values.end(), row, row + shape_.columns);
      }
    return values;
  }
  bool padding_is_zero() {
    for (const auto& level : data_)
      for (size_t i = 0; i < level->size(); ++i)
        if (i % stride() >= size_t(shape_.anchors_per_location * shape_.columns) && float(level->data()[i]) != 0.f)
          return false;
    return true;
  }

 private:
  int stride() const { return shape_.anchors_per_location * shape_.columns + shape_.padding; }

  HeadShape shape_;
  std::vector<std::unique_ptr<Guarded<T>>> data_;
};

}  // namespace fovea::test
