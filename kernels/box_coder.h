// Boxes and their deltas to anchors: Faster R-CNN (Ren et al. 2015), eq. 2, with torchvision's weights and clamp.
//   dx = wx (cx − cxa) / wa    dy = wy (cy − cya) / ha    dw = ww log(w / wa)    dh = wh log(h / ha)
#pragma once
#include <cstdint>

#include "kernels/function.h"
#include "kernels/math.h"
#include "kernels/queue.h"

namespace fovea::kernels {

struct Box {
  float x1, y1, x2, y2;
};

struct Deltas {
  float dx, dy, dw, dh;
};

// dw and dh are clamped to this before the exponential: no box is more than 62.5 times its anchor's size.
inline constexpr float kMaxLogScale = 4.135166556742356f;  // log(1000 / 16)

struct BoxCoder {
  float wx = 1.f, wy = 1.f, ww = 1.f, wh = 1.f;

  FN Deltas encode(const Box& anchor, const Box& box) const;
  FN Box decode(const Box& anchor, const Deltas& deltas) const;  // the same bits on every device
};

// n boxes [n, 4] against n anchors [n, 4].
void encode_boxes(Queue& queue, const BoxCoder& coder, int64_t n, const float* anchors, const float* boxes,
                  float* deltas);
void decode_boxes(Queue& queue, const BoxCoder& coder, int64_t n, const float* anchors, const float* deltas,
                  float* boxes);

}  // namespace fovea::kernels
