// Height and width in pixels, of an image or a level.
#pragma once

namespace fovea {

struct Size2d {
  int height = 0, width = 0;
  bool operator==(const Size2d&) const = default;
};

}  // namespace fovea
