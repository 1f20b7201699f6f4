// What an exported network takes and gives.
#pragma once
#include <cstdint>

#include "model/size2d.h"

namespace fovea {

// Heads: logits and deltas of all anchors. Nms: detections, by ONNX's own operators. EfficientNms: by TensorRT's
// plugin.
enum class ExportTail : uint8_t { Heads, Nms, EfficientNms };
// Of the network's tensors and weights; what is before and behind it is fp32.
enum class ExportPrecision : uint8_t { Fp32, Fp16, Bf16 };
// Raw: bytes [N, H, W, 3]. Unit: fp32 [N, 3, H, W] in 0 … 1. Normalized: that, less the mean, over the deviation, and 0
// where there is no image.
enum class ExportInput : uint8_t { Raw, Unit, Normalized };

struct ExportOptions {
  ExportTail tail = ExportTail::Nms;
  ExportPrecision precision = ExportPrecision::Fp32;
  ExportInput input = ExportInput::Raw;
  int batch = 1;  // 0: any
  Size2d size{};
  bool filled = false;  // images fill the input, so that there is no input with their sizes

  // Whether the model has the input with the sizes of the images in its input.
  bool takes_sizes() const { return !filled && (tail != ExportTail::Heads || input != ExportInput::Normalized); }
};

}  // namespace fovea
