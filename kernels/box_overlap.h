// Intersection over union, rounded the same on every device and as torchvision rounds it.
#pragma once
#include "kernels/box_coder.h"

namespace fovea::kernels {

FOVEA_HD float area(const Box& b) { return (b.x2 - b.x1) * (b.y2 - b.y1); }

FOVEA_HD float intersection(const Box& a, const Box& b) {
  const float w = (a.x2 < b.x2 ? a.x2 : b.x2) - (a.x1 > b.x1 ? a.x1 : b.x1);
  const float h = (a.y2 < b.y2 ? a.y2 : b.y2) - (a.y1 > b.y1 ? a.y1 : b.y1);
  return (w > 0.f ? w : 0.f) * (h > 0.f ? h : 0.f);
}

FOVEA_HD float iou(const Box& a, float area_a, const Box& b, float area_b) {
  const float common = intersection(a, b);
  return common / (area_a + area_b - common);
}

// Whether the boxes have more than an edge in common.
FOVEA_HD bool overlap(const Box& a, const Box& b) { return a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2; }

}  // namespace fovea::kernels
