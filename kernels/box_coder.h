// Boxes and their deltas to anchors: Faster R-CNN (Ren et al. 2015), eq. 2, with torchvision's weights and clamp.
//   dx = wx (cx − cxa) / wa    dy = wy (cy − cya) / ha    dw = ww log(w / wa)    dh = wh log(h / ha)
#pragma once
#include <cstdint>

#include "kernels/device/queue.h"
#include "kernels/launch/function.h"
#include "kernels/launch/math.h"

namespace fovea::kernels {

// Number: float, or a type that carries derivatives (kernels/dual.h).
template <class Number>
struct BoxOf {
  Number x1, y1, x2, y2;
};
template <class Number>
struct DeltasOf {
  Number dx, dy, dw, dh;
};
using Box = BoxOf<float>;
using Deltas = DeltasOf<float>;

// dw and dh are clamped to this before the exponential: no box is more than 62.5 times its anchor's size.
inline constexpr float kMaxLogScale = 4.135166556742356f;  // log(1000 / 16)

struct BoxCoder {
  float wx = 1.f, wy = 1.f, ww = 1.f, wh = 1.f;

  template <class Number>
  FOVEA_HD DeltasOf<Number> encode(const BoxOf<Number>& anchor, const BoxOf<Number>& box) const {
    using math::log;
    const Number wa = anchor.x2 - anchor.x1, ha = anchor.y2 - anchor.y1;
    const Number w = box.x2 - box.x1, h = box.y2 - box.y1;
    const Number cx = box.x1 + 0.5f * w, cy = box.y1 + 0.5f * h;
    return {wx * (cx - (anchor.x1 + 0.5f * wa)) / wa, wy * (cy - (anchor.y1 + 0.5f * ha)) / ha, ww * log(w / wa),
            wh * log(h / ha)};
  }

  // The same bits on every device.
  template <class Number, class Constant>
  FOVEA_HD BoxOf<Number> decode(const BoxOf<Constant>& anchor, const DeltasOf<Number>& deltas) const {
    using math::exp;
    const Constant wa = anchor.x2 - anchor.x1, ha = anchor.y2 - anchor.y1;
    const Number cx = deltas.dx / wx * wa + (anchor.x1 + 0.5f * wa);
    const Number cy = deltas.dy / wy * ha + (anchor.y1 + 0.5f * ha);
    const Number half_w = 0.5f * (exp(clamped(deltas.dw / ww)) * wa),
                 half_h = 0.5f * (exp(clamped(deltas.dh / wh)) * ha);
    return {cx - half_w, cy - half_h, cx + half_w, cy + half_h};
  }

 private:
  template <class Number>
  FOVEA_HD static Number clamped(const Number& log_scale) {
    return log_scale > kMaxLogScale ? Number(kMaxLogScale) : log_scale;
  }
};

FOVEA_HD Box load_box(const float* boxes, int64_t i) {
  return {boxes[i * 4], boxes[i * 4 + 1], boxes[i * 4 + 2], boxes[i * 4 + 3]};
}
FOVEA_HD void store_box(float* boxes, int64_t i, const Box& box) {
  boxes[i * 4] = box.x1;
  boxes[i * 4 + 1] = box.y1;
  boxes[i * 4 + 2] = box.x2;
  boxes[i * 4 + 3] = box.y2;
}

// n boxes [n, 4] against n anchors [n, 4].
void encode_boxes(Queue& queue, const BoxCoder& coder, int64_t n, const float* anchors, const float* boxes,
                  float* deltas);
void decode_boxes(Queue& queue, const BoxCoder& coder, int64_t n, const float* anchors, const float* deltas,
                  float* boxes);

}  // namespace fovea::kernels
