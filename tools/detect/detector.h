// From loaded images to boxes: preprocessing, network and suppression as one recorded step for each shape.
#pragma once
#include <vector>

#include "engine/graph.h"
#include "model/retinanet.h"
#include "tools/data/batch.h"
#include "tools/data/pixels.h"

namespace fovea {

class Detector {
 public:
  Detector(RetinaNet& model, const InputConfig& input);

  // The detections of each image, in pixels of the original.
  std::vector<std::vector<Detected>> detect(const std::vector<LoadedImage>& images);

 private:
  struct OfShape {
    BatchInput input;
    RepeatedWork work{};
    DeviceDetections found{};
  };

  RetinaNet& model_;
  InputConfig input_;
  PixelStaging pixels_;
  RecentlyUsed<BatchShape, OfShape> shapes_;
  uint64_t revision_ = 0;  // of the weights, when the network last ran as it is
};

}  // namespace fovea
