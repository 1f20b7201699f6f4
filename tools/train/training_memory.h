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
  size_t an_image, besides;  // bytes of tensors
  size_t scratch;            // of an image, at the most, for the passes around convolutions
  size_t tensors(int images) const { return besides + an_image * static_cast<size_t>(images); }
  size_t at_least(int images) const;
  size_t at_most(int images) const;
  int most_images(size_t bytes) const;  // of which at_most() fits
};

// What steps of such images need on a GPU, with `kept`: the weights, their gradients and the optimiser's
// state. From a network of the same shape on the CPU.
MemoryNeeds training_needs(const Config& config, DType activations, const BatchShape& shape, size_t kept);

// Throws Error(OutOfMemory) where steps of this shape, of the batch of all `ranks`, will not fit into the GPU in use,
// of which `context` holds the model and the optimiser's state. Names about the largest train.batch
// that does.
void require_fits(Context& context, const Config& config, const BatchShape& shape, int ranks);

}  // namespace fovea
