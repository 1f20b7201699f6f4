// Hard example mining, which section 5.1 compares the focal loss with: only the anchors of the highest loss of each
// image are learned. Fixed shapes; counts stay on the device.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/device/queue.h"
#include "kernels/launch/bfloat16.h"  // IWYU pragma: export
#include "kernels/level_view.h"

namespace fovea::kernels {

template <class T>
struct HardMiningArgs {
  LevelView<const T> logits;
  const float* anchors = nullptr;        // [anchors, 4] x1 y1 x2 y2
  const int32_t* targets = nullptr;      // [images, anchors] class, kBackground or kIgnored
  float alpha = 0.25f;                   // as FocalLossArgs': an anchor's loss is the cross entropy of its row
  const float* class_weights = nullptr;  // as FocalLossArgs'
  int minibatch = 512;                   // anchors kept, at most; 0: as many as negatives_per_positive says
  float nms_threshold = 0.7f;            // IoU with a kept anchor of a higher loss above which one is dropped
  int negatives_per_positive = 0;        // 0: any
  int32_t* mined = nullptr;              // [images, anchors] targets of the kept anchors, kIgnored for all others
  void* workspace = nullptr;             // hard_mining_workspace(…) bytes, aligned to 64
};

// Bytes of workspace that hard_mining needs; depends on shapes and limits only.
template <class T>
size_t hard_mining_workspace(const HardMiningArgs<T>& args);

// Online hard example mining (Shrivastava et al. 2016) where there is a minibatch: down the list of all anchors by
// falling loss, of equals the lower index first, an anchor is kept unless it overlaps a kept one, until the minibatch
// is full. With a ratio r at most minibatch / (1 + r) positives and r times as many negatives are kept. Without a
// minibatch as SSD (Liu et al. 2016, section 2.2): all positives and, without regard to overlaps, the hardest
// negatives, r for each positive. Both keep r negatives of an image without positives. The loss that this ranks by is
// fp32, so that anchors whose losses are equal within its rounding may change places between devices.
template <class T>
void hard_mining(Queue& queue, const HardMiningArgs<T>& args);

}  // namespace fovea::kernels
