// Which anchor learns which box: by IoU with thresholds, as torchvision's Matcher, without ever storing an IoU matrix.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/device/queue.h"
#include "kernels/level_view.h"  // IWYU pragma: export

namespace fovea::kernels {

struct AnchorMatchArgs {
  const float* anchors = nullptr;  // [anchor_count, 4] x1 y1 x2 y2, shared by all images
  int anchor_count = 0;
  int images = 0, max_boxes = 0;
  const float* truth = nullptr;     // [images, max_boxes, 4] x1 y1 x2 y2, in the pixels of the anchors
  const int32_t* labels = nullptr;  // [images, max_boxes]
  const uint8_t* crowd = nullptr;   // [images, max_boxes] non-zero: an ignore region; nullptr: none
  const int32_t* counts = nullptr;  // [images] boxes of each image, <= max_boxes
  float high = 0.5f, low = 0.4f;    // IoU >= high: positive; < low: background; between: ignored
  bool allow_low_quality = true;    // a box also gets the anchors that overlap it most, however little (but > 0)
  int32_t* matches = nullptr;       // [images, anchor_count] index of the box, kBackground or kIgnored
  int32_t* targets = nullptr;       // [images, anchor_count] label of the box, kBackground or kIgnored
  int32_t* positives = nullptr;     // [images] matched anchors
  void* workspace = nullptr;        // anchor_match_workspace(…) bytes, aligned to 64
};

size_t anchor_match_workspace(const AnchorMatchArgs& args);

// An anchor takes the box of highest IoU, the first of equals. Crowd boxes are matched to nothing; a background anchor
// with at least `low` of its own area inside a crowd box becomes ignored. Boxes narrower or lower than one pixel match
// nothing. Integer results, the same on every device.
void anchor_match(Queue& queue, const AnchorMatchArgs& args);

// The factor of each image's losses. per_image (torchvision): 1 / (max(1, positives of the image) · images).
// Else (the paper): 1 / max(1, Σ positives).
void loss_scale(Queue& queue, bool per_image, int images, const int32_t* positives, float* scale);

}  // namespace fovea::kernels
