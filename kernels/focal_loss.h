// Focal loss and its gradient in one pass over the logits of all levels, as the head wrote them.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/device/queue.h"
#include "kernels/launch/bfloat16.h"  // IWYU pragma: export
#include "kernels/level_view.h"

namespace fovea::kernels {

enum class FocalForm : uint8_t { Focal, Star };  // eq. 5; appendix A's FL*

inline constexpr float kSmallestStarGamma = 0.1f;

template <class T>
struct FocalLossArgs {
  LevelView<const T> logits;
  LevelView<T> gradient;  // like `logits`, may be the same memory; all of it is written, padding columns as 0
  const int32_t* targets = nullptr;  // [images, anchors] class, kBackground or kIgnored
  const float* scale = nullptr;      // [images] factor of an image's loss and gradient, from loss_scale()
  float alpha = 0.25f;               // weight of the target class, 1 − alpha of all others; < 0: no weights
  FocalForm form = FocalForm::Focal;
  float gamma = 2.f;                      // >= 0; 0 = α-balanced cross entropy; FL*: >= kSmallestStarGamma
  float beta = 0.f;                       // of FL* alone: where its slope is
  const float* class_weights = nullptr;   // [columns] factor of all of an anchor's losses, by its class; background: 1
  float* loss = nullptr;                  // [1] Σ scale · loss, overwritten
  float* bias_gradient = nullptr;         // [anchors_per_location · classes] column sums of the gradient, or nullptr
  bool accumulate_bias_gradient = false;  // += instead of =
  void* workspace = nullptr;              // focal_loss_workspace(…) bytes, aligned to 64
};

// Bytes of workspace that focal_loss needs; depends on the shapes of `logits` only.
template <class T>
size_t focal_loss_workspace(const FocalLossArgs<T>& args);

// T = float or bfloat16; the arithmetic is fp32 for both. A NaN logit gives a NaN loss; an infinite logit on the wrong
// side gives an infinite loss. Same bits for any number of CPU threads.
template <class T>
void focal_loss(Queue& queue, const FocalLossArgs<T>& args);

}  // namespace fovea::kernels
