// The heads' outputs as the kernels address them.
#pragma once
#include <algorithm>
#include <vector>

#include "engine/tensor.h"
#include "kernels/box_coder.h"
#include "kernels/level_view.h"
#include "model/config.h"

namespace fovea {

template <class T>
LevelView<T> level_view(const std::vector<Tensor>& levels, int anchors_per_location, int columns) {
  require(!levels.empty() && levels.size() <= kMaxLevels, "the number of levels is not between 1 and kMaxLevels");
  LevelView<T> view;
  view.levels = static_cast<int>(levels.size());
  view.images = levels[0].batch();
  view.anchors_per_location = anchors_per_location;
  view.columns = columns;
  view.pixel_stride = levels[0].channels();
  require(view.pixel_stride >= anchors_per_location * columns, "a location has fewer channels than its anchors need");
  for (size_t l = 0; l < levels.size(); ++l) {
    view.data[l] = levels[l].data<T>();
    view.first_anchor[l + 1] = view.first_anchor[l] + levels[l].height() * levels[l].width() * anchors_per_location;
  }
  return view;
}

// What a head left of the first `images` images of one level, [locations, columns], without the padding.
inline std::vector<float> values_of(const Tensor& level, int64_t images, int columns) {
  std::vector<float> values = level.view({images, level.height(), level.width(), level.channels()}).to_host<float>();
  const auto stride = static_cast<size_t>(level.channels()), kept = static_cast<size_t>(columns);
  require(stride >= kept, "a location has fewer channels than its anchors need");
  for (size_t row = 1; row < values.size() / stride; ++row)
    std::copy_n(values.begin() + static_cast<int64_t>(row * stride), kept,
                values.begin() + static_cast<int64_t>(row * kept));
  values.resize(values.size() / stride * kept);
  return values;
}

inline kernels::BoxCoder box_coder(const ModelConfig& config) {
  const auto& w = config.loss.coder_weights;
  return {static_cast<float>(w[0]), static_cast<float>(w[1]), static_cast<float>(w[2]), static_cast<float>(w[3])};
}

}  // namespace fovea
