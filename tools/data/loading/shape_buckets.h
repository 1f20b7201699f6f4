// Few shapes for all batches of a training: images of like aspect ratio share one, and a step's recording with it.
#pragma once
#include <vector>

#include "model/size2d.h"
#include "tools/config/config.h"
#include "tools/data/dataset.h"

namespace fovea {

class ShapeBuckets {
 public:
  ShapeBuckets() = default;
  // At most input.shape_buckets of them; none where that is 0. They part the images by aspect ratio so that the padded
  // pixels of all images together are the fewest.
  ShapeBuckets(const Dataset& dataset, const InputConfig& input);

  bool empty() const { return slots_.empty(); }
  const std::vector<uint32_t>& of_samples() const { return of_samples_; }  // the bucket of each sample
  // What every image of the bucket fits into at input.short_side[scale], padded.
  Size2d slot(uint32_t bucket, size_t scale) const { return slots_[scale][bucket]; }

 private:
  std::vector<uint32_t> of_samples_;
  std::vector<std::vector<Size2d>> slots_;  // [scale][bucket]
};

Size2d padded(Size2d size, int pad_to);
// The smallest that both fit into.
Size2d around(Size2d a, Size2d b);
// `size`, shrunk in its own ratio where it does not fit into `slot`.
Size2d fitted(Size2d size, Size2d slot);

}  // namespace fovea
