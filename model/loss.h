// The training loss: match anchors to boxes, focal loss (or what the paper compares it with) over the logits, box loss
// over the positives (section 3 to 5).
#pragma once
#include "engine/autograd.h"
#include "engine/parameters.h"
#include "model/config.h"
#include "model/outputs.h"

namespace fovea {

// The boxes of a batch, padded to G an image; x1 y1 x2 y2 in pixels of the network's input.
struct Truth {
  Tensor boxes;   // fp32 [N, G, 4]
  Tensor labels;  // int32 [N, G]
  Tensor crowd;   // uint8 [N, G]: ignore regions
  Tensor counts;  // int32 [N]
};

// Of the batches of all ranks together, the same on each.
struct Losses {
  Tensor classification, box;  // fp32 [1] on the device
  Tensor positives;            // int32 [N · ranks]
};

// What the losses need besides: made once, and the same for all steps of one size of image.
struct LossTables {
  Tensor anchors;        // fp32 [A, 4]
  Tensor class_weights;  // fp32 [classes], or none
};

// Computes losses, normalized by the batches of all ranks of the context together, and, in the same passes, the
// gradients of the outputs: these overwrite the outputs' memory, and are given to the tape together with the gradients
// of the heads' last biases; those of this rank's images alone. All ranks have the same number of images. Hard mining
// chooses what the classification learns; the boxes of all positives are learned.
Losses detection_loss(Tape& tape, const Outputs& outputs, const ModelConfig& config, const LossTables& tables,
                      const Truth& truth, const Parameter& logits_bias, const Parameter& deltas_bias);

// What the loss takes each anchor for, int32 [N, A]: the label of the box that it learns, kBackground or kIgnored
// (kernels/level_view.h).
Tensor anchor_targets(Context& context, const ModelConfig& config, const Tensor& anchors, const Truth& truth);

// What each level alone adds to the losses, to tell where a loss that is not finite comes from. Waits for the queue,
// and leaves the outputs as they are.
struct LevelLosses {
  float classification, box;
};
std::vector<LevelLosses> losses_by_level(Context& context, const Outputs& outputs, const ModelConfig& config,
                                         const LossTables& tables, const Truth& truth);

}  // namespace fovea
