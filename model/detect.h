// From outputs to detections.
#pragma once
#include <cstddef>
#include <vector>

#include "engine/context.h"
#include "model/config.h"
#include "model/outputs.h"

namespace fovea {

// Fixed shapes on the device; the first counts[n] rows of image n are meant.
struct DeviceDetections {
  // `limit`: places for the detections of an image.
  DeviceDetections() = default;
  DeviceDetections(Context& context, int64_t images, int64_t limit);

  Tensor all;     // the memory of what follows, one behind the other: one copy takes it
  Tensor boxes;   // fp32 [N, D, 4] x1 y1 x2 y2
  Tensor scores;  // fp32 [N, D], falling
  Tensor labels;  // int32 [N, D]
  Tensor counts;  // int32 [N]
};

struct Detected {
  float x1, y1, x2, y2, score;
  int label;
};

// image_sizes: fp32 [N, 2], height and width of the content, boxes are clipped to it. image_scale: fp32 [N, 2], factors
// of y and x on the way out, or none.
DeviceDetections detect(Context& context, const Outputs& outputs, const ModelConfig& config, const Tensor& anchors,
                        const Tensor& image_sizes, const Tensor& image_scale);

// Those of `images` images with places for `limit` each, from a copy of DeviceDetections::all.
std::vector<std::vector<Detected>> detections_in(const std::byte* all, size_t images, size_t limit);
// Waits for the queue.
std::vector<std::vector<Detected>> to_host(const DeviceDetections& detections);

}  // namespace fovea
