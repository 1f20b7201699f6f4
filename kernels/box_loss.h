// Box regression losses and their gradients in one pass over the deltas of all levels, as the head wrote them.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/box_loss_terms.h"
#include "kernels/device/queue.h"
#include "kernels/launch/bfloat16.h"  // IWYU pragma: export
#include "kernels/level_view.h"

namespace fovea::kernels {

template <class T>
struct BoxLossArgs {
  LevelView<const T> deltas;         // columns = 4
  LevelView<T> gradient;             // like `deltas`, may be the same memory; all of it is written: 0 but for positives
  const float* anchors = nullptr;    // [anchors, 4] x1 y1 x2 y2, shared by all images
  const int32_t* matches = nullptr;  // [images, anchors] index of the truth box; < 0: no positive
  const float* truth = nullptr;      // [images, max_boxes, 4] x1 y1 x2 y2
  int max_boxes = 0;
  const float* scale = nullptr;  // [images] factor of an image's loss and gradient, from loss_scale()
  BoxLoss kind = BoxLoss::L1;
  float beta = 1.f / 9.f;  // SmoothL1: quadratic under it; > 0
  BoxCoder coder;
  float* loss = nullptr;                  // [1] Σ scale · loss over positives, overwritten
  float* bias_gradient = nullptr;         // [anchors_per_location · 4] column sums of the gradient, or nullptr
  bool accumulate_bias_gradient = false;  // += instead of =
  void* workspace = nullptr;              // box_loss_workspace(…) bytes, aligned to 64
};

// Bytes of workspace that box_loss needs; depends on the shapes of `deltas` only.
template <class T>
size_t box_loss_workspace(const BoxLossArgs<T>& args);

// T = float or bfloat16; the arithmetic is fp32 for both. Same bits for any number of CPU threads.
template <class T>
void box_loss(Queue& queue, const BoxLossArgs<T>& args);

}  // namespace fovea::kernels
