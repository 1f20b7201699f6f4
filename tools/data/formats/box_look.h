// What the boxes of a whole split look like, where they are not pixels or not x, y, width, height.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

namespace fovea {

class BoxLook {
 public:
  // A box as annotated, of finite numbers, on an image of this size; 0 where that is not known.
  void add(const std::array<double, 4>& box, int width, int height) {
    const auto [x, y, w, h] = box;
    ++boxes_;
    const auto is_part = [](double number) { return number >= 0 && number <= 1; };
    fractions_ += std::any_of(box.begin(), box.end(), [](double number) { return number != std::floor(number); });
    shares_ += is_part(x) && is_part(y) && is_part(w) && is_part(h) && width != 1 && height != 1;
    corners_ += x >= 0 && y >= 0 && w > x && h > y && w <= width + 1 && h <= height + 1;
    beyond_ += x + w > width + 1 || y + h > height + 1;
  }

  // All lie within the first pixel, and not at its borders alone: parts of the image's width and height.
  bool like_shares() const { return fractions_ > 0 && shares_ == boxes_; }
  // Many reach beyond their images, and as x1, y1, x2, y2 none does.
  bool like_corners() const { return corners_ == boxes_ && beyond_ > 0 && beyond_ * 10 >= boxes_; }

  int64_t boxes() const { return boxes_; }
  int64_t beyond() const { return beyond_; }

 private:
  int64_t boxes_ = 0, fractions_ = 0, shares_ = 0, corners_ = 0, beyond_ = 0;
};

}  // namespace fovea
