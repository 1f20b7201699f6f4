#include "model/anchors.h"

#include <cmath>

namespace fovea {

std::vector<float> anchor_cells(const AnchorConfig& config, size_t level) {
  std::vector<float> cells;
  const float wider = config.inclusive ? 1 : 0;
  for (const double ratio : config.ratios) {
    for (const double octave : config.octaves) {
      const double size = config.sizes[level] * std::exp2(octave);
      if (config.rounded) {  // in fp32, as torchvision computes them: the rounding falls the same way
        const auto scale = static_cast<float>(static_cast<int>(size));
        const float h_ratio = std::sqrt(static_cast<float>(ratio)), w_ratio = 1 / h_ratio;
        const float half_w = std::nearbyint(w_ratio * scale / 2), half_h = std::nearbyint(h_ratio * scale / 2);
        cells.insert(cells.end(), {-half_w, -half_h, half_w + wider, half_h + wider});
      } else {
        const double half_h = size * std::sqrt(ratio) / 2, half_w = size / std::sqrt(ratio) / 2;
        for (const double edge : {-half_w, -half_h, half_w + wider, half_h + wider})
          cells.push_back(static_cast<float>(edge));
      }
    }
  }
  return cells;
}

std::vector<float> make_anchors(const AnchorConfig& config, Size2d image, const std::vector<Size2d>& levels) {
  std::vector<float> anchors;
  for (size_t level = 0; level < levels.size(); ++level) {
    const std::vector<float> cells = anchor_cells(config, level);
    const int stride_y = image.height / levels[level].height, stride_x = image.width / levels[level].width;
    const auto place = [&](int index, int stride) { return static_cast<float>((index + config.offset) * stride); };
    for (int y = 0; y < levels[level].height; ++y)
      for (int x = 0; x < levels[level].width; ++x)
        for (size_t i = 0; i < cells.size(); ++i)
          anchors.push_back(cells[i] + (i % 2 == 0 ? place(x, stride_x) : place(y, stride_y)));
  }
  return anchors;
}

}  // namespace fovea
