// Whether a training step fits into the memory of a GPU, said before the first one runs.
#pragma once
#include <cstddef>

#include "model/retinanet.h"
#include "tools/config/config.h"
#include "tools/data/batch.h"

namespace fovea {

// Most bytes of tensors that are in use while a training step takes `images` ([N, H, W, 3]), counting what `context`,
// of the CPU, holds already. The step is recorded: nothing is computed, and what is allocated is not touched.
size_t training_peak(Context& context, RetinaNet& model, const Shape& images);

struct MemoryNeeds {
  size_t an_image, besides;  // bytes
  size_t of(int images) const { return besides + an_image * static_cast<size_t>(images); }
  int most_images(size_t bytes) const { return bytes < besides ? 0 : static_cast<int>((bytes - besides) / an_image); }
};

// What steps of such images need on a GPU at the least, with `kept`: the weights, their gradients and the optimiser's
// state. From a network of the same shape on the CPU. Gaps between tensors, and workspaces of cuDNN's plans, come on
// top: up to a quarter.
MemoryNeeds training_needs(const Config& config, DType activations, const BatchShape& shape, size_t kept);

// Throws Error(OutOfMemory) where steps of this shape, of the batch of all `ranks`, will not fit into the GPU in use,
// of which `context` holds the model and the optimiser's state. Names the largest train.batch that
// surely does.
void require_fits(Context& context, const Config& config, const BatchShape& shape, int ranks);

}  // namespace fovea
