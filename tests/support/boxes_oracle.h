// Boxes, their coding and their losses in float64, written from the papers (see kernels/box_coder.h, box_loss_terms.h).
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "kernels/box_loss_terms.h"

namespace fovea::test::oracle {

using Four = std::array<double, 4>;  // x1 y1 x2 y2, or dx dy dw dh

inline Four coder_weights(const kernels::BoxCoder& coder) { return {coder.wx, coder.wy, coder.ww, coder.wh}; }

inline Four encode(const kernels::BoxCoder& coder, const Four& anchor, const Four& box) {
  const Four weights = coder_weights(coder);
  Four deltas;
  for (int k = 0; k < 2; ++k) {
    const double size = anchor[k + 2] - anchor[k];
    deltas[k] = weights[k] * ((box[k] + box[k + 2]) / 2 - (anchor[k] + anchor[k + 2]) / 2) / size;
    deltas[k + 2] = weights[k + 2] * std::log((box[k + 2] - box[k]) / size);
  }
  return deltas;
}

inline Four decode(const kernels::BoxCoder& coder, const Four& anchor, const Four& deltas) {
  const Four weights = coder_weights(coder);
  Four box;
  for (int k = 0; k < 2; ++k) {
    const double size = anchor[k + 2] - anchor[k];
    const double center = (anchor[k] + anchor[k + 2]) / 2 + deltas[k] / weights[k] * size;
    const double new_size = size * std::exp(std::min(deltas[k + 2] / weights[k + 2], std::log(1000. / 16)));
    box[k] = center - new_size / 2;
    box[k + 2] = center + new_size / 2;
  }
  return box;
}

inline double area(const Four& b) { return (b[2] - b[0]) * (b[3] - b[1]); }
inline double intersection(const Four& a, const Four& b) {
  const double w = std::min(a[2], b[2]) - std::max(a[0], b[0]), h = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  return w > 0 && h > 0 ? w * h : 0;
}
inline double iou(const Four& a, const Four& b) {
  const double common = intersection(a, b);
  return common / (area(a) + area(b) - common);
}

struct CiouParts {
  double v, alpha;
};
inline CiouParts ciou_parts(const Four& p, const Four& g) {
  const double angle = std::atan((g[2] - g[0]) / (g[3] - g[1])) - std::atan((p[2] - p[0]) / (p[3] - p[1]));
  const double v = 4 / (std::numbers::pi * std::numbers::pi) * angle * angle;
  return {v, v / (1 - iou(p, g) + v + 1e-7)};
}

// `alpha`: CIoU's, from ciou_parts at the point of differentiation.
inline double iou_loss(kernels::BoxLoss kind, const Four& p, const Four& g, double alpha) {
  const Four hull = {std::min(p[0], g[0]), std::min(p[1], g[1]), std::max(p[2], g[2]), std::max(p[3], g[3])};
  if (kind == kernels::BoxLoss::GIoU)
    return 1 - iou(p, g) + (area(hull) - (area(p) + area(g) - intersection(p, g))) / area(hull);
  const double dx = (p[0] + p[2] - g[0] - g[2]) / 2, dy = (p[1] + p[3] - g[1] - g[3]) / 2;
  const double w = hull[2] - hull[0], h = hull[3] - hull[1];
  const double diou = 1 - iou(p, g) + (dx * dx + dy * dy) / (w * w + h * h);
  return kind == kernels::BoxLoss::DIoU ? diou : diou + alpha * ciou_parts(p, g).v;
}

inline double absolute_loss(const Four& d, const Four& t, bool smooth, double beta) {
  double sum = 0;
  for (int k = 0; k < 4; ++k) {
    const double a = std::abs(d[k] - t[k]);
    sum += !smooth ? a : a < beta ? a * a / (2 * beta) : a - beta / 2;
  }
  return sum;
}

// Central differences of order 4 of f at x.
template <class F>
Four gradient_of(const F& f, const Four& x, double step) {
  Four gradient;
  for (int k = 0; k < 4; ++k) {
    const auto at = [&](double h) {
      Four moved = x;
      moved[k] += h;
      return f(moved);
    };
    gradient[k] = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
  }
  return gradient;
}

}  // namespace fovea::test::oracle
