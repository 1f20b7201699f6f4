// The losses of one positive anchor. With Dual numbers (kernels/dual.h) each formula gives loss and gradient.
//
// d: the four deltas, d*: those of the truth; P: the decoded box, G: the truth, C: the smallest box around both.
//
//   L1         Σ |d − d*|
//   smooth L1  Σ of (d − d*)² / 2β where |d − d*| < β, else |d − d*| − β/2     Girshick 2015, eq. 3 (β = 1)
//   GIoU       1 − IoU + (|C| − |P ∪ G|) / |C|                                 Rezatofighi et al. 2019, algorithm 1
//   DIoU       1 − IoU + ρ²/c², ρ between the centers, c the diagonal of C     Zheng et al. 2020, eq. 7
//   CIoU       DIoU + αv, v = 4/π² (atan(w*/h*) − atan(w/h))²                  eq. 8 to 11
//              α = v / (1 − IoU + v), a constant in the gradient
#pragma once
#include "kernels/box_coder.h"
#include "kernels/dual.h"

namespace fovea::kernels {

// L1 and SmoothL1 compare deltas with the encoded truth; the others compare decoded boxes with the truth.
enum class BoxLoss : uint8_t { L1, SmoothL1, GIoU, DIoU, CIoU };

template <class Number, class Constant>
FOVEA_HD Number absolute_loss(const Number& delta, const Constant& truth, bool smooth, float beta) {
  const Number difference = delta - truth, absolute = difference < 0.f ? 0.f - difference : difference;
  if (!smooth) return difference < 0.f || difference > 0.f ? absolute : difference * 0.f;
  return absolute < beta ? 0.5f * difference * difference / beta : absolute - 0.5f * beta;
}

template <class Number, class Constant>
FOVEA_HD Number iou_loss(BoxLoss kind, const BoxOf<Number>& p, const BoxOf<Constant>& truth) {
  constexpr float kEpsilon = 1e-7f;  // torchvision's, in every denominator
  const BoxOf<Number> g{truth.x1, truth.y1, truth.x2, truth.y2};
  const Number w = min(p.x2, g.x2) - max(p.x1, g.x1), h = min(p.y2, g.y2) - max(p.y1, g.y1);
  const Number common = w > 0.f && h > 0.f ? w * h : Number(0.f);
  const Number united = (p.x2 - p.x1) * (p.y2 - p.y1) + (g.x2 - g.x1) * (g.y2 - g.y1) - common;
  const Number iou = common / (united + kEpsilon);
  const Number hull_w = max(p.x2, g.x2) - min(p.x1, g.x1), hull_h = max(p.y2, g.y2) - min(p.y1, g.y1);
  if (kind == BoxLoss::GIoU) {
    const Number hull = hull_w * hull_h;
    return 1.f - iou + (hull - united) / (hull + kEpsilon);
  }
  const Number dx = 0.5f * (p.x1 + p.x2 - (g.x1 + g.x2)), dy = 0.5f * (p.y1 + p.y2 - (g.y1 + g.y2));
  const Number diou = 1.f - iou + (dx * dx + dy * dy) / (hull_w * hull_w + hull_h * hull_h + kEpsilon);
  if (kind == BoxLoss::DIoU) return diou;
  constexpr float kFourOverPiSquared = 0.405284735f;
  const Number angle = atan((g.x2 - g.x1) / (g.y2 - g.y1)) - atan((p.x2 - p.x1) / (p.y2 - p.y1));
  const Number v = kFourOverPiSquared * angle * angle;
  return diou + v.value / (1.f - iou.value + v.value + kEpsilon) * v;
}

// Loss and gradient by the deltas of one anchor matched to `truth`.
template <class S>
FOVEA_HD Dual<S> box_loss_term(BoxLoss kind, float beta, const BoxCoder& coder, const BoxOf<S>& anchor,
                               const DeltasOf<S>& deltas, const BoxOf<S>& truth) {
  using Number = Dual<S>;
  const DeltasOf<Number> d{Number::input(deltas.dx, 0), Number::input(deltas.dy, 1), Number::input(deltas.dw, 2),
                           Number::input(deltas.dh, 3)};
  if (kind != BoxLoss::L1 && kind != BoxLoss::SmoothL1) return iou_loss(kind, coder.decode(anchor, d), truth);
  const DeltasOf<S> t = coder.encode(anchor, truth);
  const bool smooth = kind == BoxLoss::SmoothL1;
  return absolute_loss(d.dx, t.dx, smooth, beta) + absolute_loss(d.dy, t.dy, smooth, beta) +
         absolute_loss(d.dw, t.dw, smooth, beta) + absolute_loss(d.dh, t.dh, smooth, beta);
}

}  // namespace fovea::kernels
