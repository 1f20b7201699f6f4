// From a decoded image to its slot in the network's input batch, and its boxes likewise.
#pragma once
#include <cstdint>

#include "kernels/queue.h"

namespace fovea::kernels {

template <class T>
struct PreprocessArgs {
  const uint8_t* image = nullptr;  // [height, width, 3] RGB, in the queue's device memory
  int height = 0, width = 0;
  int out_h = 0, out_w = 0;  // size of the resized content, at the slot's upper left
  bool flip = false;         // left to right
  float mean[3] = {0, 0, 0};
  float inv_std[3] = {1, 1, 1};  // of pixels in [0, 1]: out = (pixel / 255 − mean)·inv_std
  bool antialias = false;        // when shrinking: a triangle as wide as the scale (PIL), not two neighbours (PyTorch)
  T* slot = nullptr;             // [slot_h, slot_w, slot_channels] of the batch
  int slot_h = 0, slot_w = 0;    // >= out_h, out_w; what lies beyond the content becomes 0
  int slot_channels = 3;         // >= 3; the channels beyond become 0
};

// Bilinear resize with half-pixel centres and the true ratio of the sizes (F.interpolate, align_corners=False,
// recompute_scale_factor=True, as torchvision's GeneralizedRCNNTransform), flip, normalise, pad; one pass.
template <class T>
void preprocess(Queue& queue, const PreprocessArgs<T>& args);

struct TransformBoxesArgs {
  float* boxes = nullptr;  // [count, 4] x1 y1 x2 y2 in pixels of the image; in place
  int count = 0;           // what lies after them stays untouched
  int height = 0, width = 0;
  int out_h = 0, out_w = 0;
  bool flip = false;
};

// x·(out_w / width), y·(out_h / height); flipped: x1' = out_w − x2, x2' = out_w − x1.
void transform_boxes(Queue& queue, const TransformBoxesArgs& args);

}  // namespace fovea::kernels
