// Boxes and their deltas to anchors; the formulas are in box_coder.h.
#include "kernels/box_coder.h"

#include "kernels/launch/launch.h"

namespace fovea::kernels {
namespace {

struct EncodeBoxes {
  BoxCoder coder;
  const float *anchors, *boxes;
  float* deltas;
  FOVEA_HD void operator()(int64_t i) const {
    const Deltas d = coder.encode(load_box(anchors, i), load_box(boxes, i));
    store_box(deltas, i, {d.dx, d.dy, d.dw, d.dh});
  }
};

struct DecodeBoxes {
  BoxCoder coder;
  const float *anchors, *deltas;
  float* boxes;
  FOVEA_HD void operator()(int64_t i) const {
    const Box d = load_box(deltas, i);
    store_box(boxes, i, coder.decode(load_box(anchors, i), Deltas{d.x1, d.y1, d.x2, d.y2}));
  }
};

}  // namespace

void encode_boxes(Queue& queue, const BoxCoder& coder, int64_t n, const float* anchors, const float* boxes,
                  float* deltas) {
  for_each(queue, "encode_boxes", n, EncodeBoxes{coder, anchors, boxes, deltas});
}

void decode_boxes(Queue& queue, const BoxCoder& coder, int64_t n, const float* anchors, const float* deltas,
                  float* boxes) {
  for_each(queue, "decode_boxes", n, DecodeBoxes{coder, anchors, deltas, boxes});
}

}  // namespace fovea::kernels
