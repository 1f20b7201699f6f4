// What follows the heads, as nodes of ONNX: the order of model/detect.h. All of it is fp32.
#pragma once
#include "tools/export/network_nodes.h"

namespace fovea::onnx_file {

struct TailInput {
  const NetworkGraph& network;
  const ModelConfig& config;
  HeadValues heads;
  Value sizes;  // fp32 [N, 2], height and width of the images in the input; without a name: they fill it
  Size2d input;
};

// logits [N, anchors, classes], deltas [N, anchors, 4].
void add_heads_tail(Writer& writer, const TailInput& tail);
// boxes fp32 [N, D, 4] x1 y1 x2 y2, scores fp32 [N, D] falling, labels int32 [N, D], count int32 [N]. Behind the count
// boxes and scores are 0 and labels −1. D: detections_of().
void add_nms_tail(Writer& writer, const TailInput& tail);
// The same by TensorRT's plugin, which needs all anchors' boxes and logits; its count is [N, 1].
void add_efficient_nms_tail(Writer& writer, const TailInput& tail);

// The domain of that plugin's node.
inline constexpr const char* kPluginDomain = "TRT";

// Candidates of a level; places for the detections of an image, in the tail of ONNX's own operators.
int64_t candidates_of(const NetworkGraph& network, const ModelConfig& config, size_t level);
int64_t detections_of(const NetworkGraph& network, const ModelConfig& config);

}  // namespace fovea::onnx_file
