// From head outputs to detections, batched over images: score threshold, top candidates of a level, decode, clip,
// non-maximum suppression, best detections of an image. Fixed shapes; counts stay on the device.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/box_coder.h"
#include "kernels/device/queue.h"
#include "kernels/launch/bfloat16.h"  // IWYU pragma: export
#include "kernels/level_view.h"

namespace fovea::kernels {

template <class T>
struct DetectArgs {
  LevelView<const T> logits;           // columns = classes
  LevelView<const T> deltas;           // columns = 4
  const float* anchors = nullptr;      // [anchors, 4] x1 y1 x2 y2
  const float* image_sizes = nullptr;  // [images, 2] height, width of the content: boxes are clipped to it
  const float* image_scale = nullptr;  // [images, 2] factors of y and x on the way out (back to the original image's
                                       // pixels), or nullptr
  BoxCoder coder;
  float score_threshold = 0.05f;    // candidates: sigmoid(logit) > threshold, compared on the logits
  int candidates_per_level = 1000;  // the best of each level go on
  float nms_threshold = 0.5f;       // a box is dropped where its IoU with a better one of its class is > threshold
  int detections_per_image = 100;
  bool class_agnostic = false;  // suppress across classes
  int first_class = 0;          // classes below are skipped (torchvision's column 0 is an unused background)
  float* boxes = nullptr;       // [images, detections_per_image, 4] x1 y1 x2 y2; slots past the count are 0
  float* scores = nullptr;      // [images, detections_per_image], falling; slots past the count are 0
  int32_t* labels = nullptr;    // [images, detections_per_image]; slots past the count are −1
  int32_t* counts = nullptr;    // [images]
  void* workspace = nullptr;    // detect_workspace(…) bytes, aligned to 64
};

// Bytes of workspace that detect needs; depends on shapes and limits only.
template <class T>
size_t detect_workspace(const DetectArgs<T>& args);

// As torchvision's RetinaNet.postprocess_detections. Of equal logits, the lower (anchor, class) comes first,
// everywhere; NaN logits are no candidates. Time grows with the square of levels · candidates_per_level: meant for a
// few thousand.
template <class T>
void detect(Queue& queue, const DetectArgs<T>& args);

struct NmsArgs {
  const float* boxes = nullptr;      // [n, 4] x1 y1 x2 y2
  const float* scores = nullptr;     // [n]
  const int32_t* classes = nullptr;  // [n] only boxes of one class suppress each other; nullptr: all do
  int n = 0;
  float threshold = 0.5f;
  int32_t* keep = nullptr;    // [n] indices of the kept boxes by falling score, the first of equals first
  int32_t* count = nullptr;   // [1]
  void* workspace = nullptr;  // nms_workspace(n) bytes, aligned to 64
};

size_t nms_workspace(int n);
void nms(Queue& queue, const NmsArgs& args);

}  // namespace fovea::kernels
