// What a configuration chooses between. A loss's kernel has words of its own for it: model/loss.cpp translates.
#pragma once
#include <cstdint>

namespace fovea {

enum class BackboneKind : uint8_t { ResNet, ResNeXt, Vgg, Inception };

// Focal and FL* of the paper; the cross entropy of all anchors, or of the hard ones of each image alone.
enum class LossKind : uint8_t { Focal, FocalStar, CrossEntropy, Ohem, Ssd };

enum class BoxLoss : uint8_t { L1, SmoothL1, GIoU, DIoU, CIoU };

// What losses are divided by: each image's by its own count of positives, or all by that of the batch.
enum class LossNormalizer : uint8_t { PerImage, PerBatch };

}  // namespace fovea
