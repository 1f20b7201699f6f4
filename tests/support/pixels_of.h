// What tests ask of pixels.
#pragma once
#include <cstdint>
#include <vector>

#include "tools/report/canvas.h"

namespace fovea::test {

inline Color at(const Image& image, int x, int y) {
  const uint8_t* p = &image.rgb[3 * (y * image.width + x)];
  return {p[0], p[1], p[2]};
}

inline int64_t count(const Image& image, Color color) {
  int64_t n = 0;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) n += at(image, x, y) == color;
  }
  return n;
}

}  // namespace fovea::test
