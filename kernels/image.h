// From a decoded image to its slot in the network's input batch, and its boxes likewise.
#pragma once
#include <cstdint>

#include "kernels/device/queue.h"

namespace fovea::kernels {

// Where a pixel of 8-bit values has its colors: bytes of a pixel (1, 3 or 4), and which of them is red, green and blue.
struct PixelForm {
  uint8_t bytes = 3, red = 0, green = 1, blue = 2;
};
inline constexpr PixelForm kRgb{};

// A decoded image and its place in the batch. It lies in device memory: a recorded step reads what is there when it is
// replayed.
struct SourceImage {
  const uint8_t* pixels = nullptr;  // [height, width, form.bytes], in the queue's device memory
  int32_t height = 0, width = 0;
  int32_t out_h = 0, out_w = 0;  // size of the resized content, at the slot's upper left
  int32_t flip = 0;              // nonzero: left to right
  PixelForm form = kRgb;
  int64_t row_stride = 0;  // bytes from one row to the next; 0: rows lie without gaps
};

// Throws where the image is empty or does not fit into a slot of slot_h × slot_w: the kernels cut off what sticks out.
void require_fits(const SourceImage& image, int slot_h, int slot_w);

template <class T>
struct PreprocessArgs {
  const SourceImage* images = nullptr;  // [batch]
  int batch = 1;
  float mean[3] = {0, 0, 0};
  float inv_std[3] = {1, 1, 1};  // of pixels in [0, 1]: out = (pixel / 255 − mean)·inv_std
  bool antialias = false;        // when shrinking: a triangle as wide as the scale (PIL), not two neighbors (PyTorch)
  T* slots = nullptr;            // [batch, slot_h, slot_w, slot_channels]
  int slot_h = 0, slot_w = 0;    // what lies beyond the content becomes 0
  int slot_channels = 3;         // >= 3; the channels beyond become 0
  void* workspace = nullptr;     // preprocess_workspace(…) bytes, aligned to 64
};

// Bytes of workspace that preprocess needs; depends on shapes only.
template <class T>
size_t preprocess_workspace(const PreprocessArgs<T>& args);

// Bilinear resize with half-pixel centers and the true ratio of the sizes (F.interpolate, align_corners=False,
// recompute_scale_factor=True, as torchvision's GeneralizedRCNNTransform), flip, normalize, pad; one pass.
template <class T>
void preprocess(Queue& queue, const PreprocessArgs<T>& args);

struct TransformBoxesArgs {
  const SourceImage* images = nullptr;  // [batch]
  const int32_t* counts = nullptr;      // [batch] boxes of each image; what lies after them is not written
  int batch = 1, max_boxes = 0;
  const float* boxes = nullptr;  // [batch, max_boxes, 4] x1 y1 x2 y2 in pixels of the image
  float* out = nullptr;          // likewise, in pixels of the slot; may be `boxes`
};

// x·(out_w / width), y·(out_h / height); flipped: x1' = out_w − x2, x2' = out_w − x1.
void transform_boxes(Queue& queue, const TransformBoxesArgs& args);

}  // namespace fovea::kernels
