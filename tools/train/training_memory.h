// Whether a training step fits into the memory of a GPU, said before the first one runs.
#pragma once
#include <cstddef>
#include <vector>

#include "model/retinanet.h"
#include "tools/config/config.h"
#include "tools/data/loading/batch.h"

namespace fovea {

// Most bytes of tensors that are in use while a training step takes `images` ([N, H, W, 3]), counting what `context`,
// of the CPU, holds already. The step is recorded: nothing is computed, and what is allocated is not touched.
size_t training_peak(Context& context, RetinaNet& model, const Shape& images);

struct MemoryNeeds {
  size_t an_image, besides;  // bytes of tensors
  size_t scratch;            // of an image, at most, for the passes around convolutions
  size_t at_most(int images) const;
};

// A bound of what steps of such images need on a GPU, with `kept`: the weights, their gradients, the optimizer's state,
// and the room for pixels. From a network of the same shape on the CPU, without asking for plans.
MemoryNeeds training_needs(const Config& config, DType activations, const BatchShape& shape, size_t kept);

// Bytes of the GPU's memory that training takes as long as its steps have this shape and images like these, with or
// without recordings: what a GPU is asked for that is only described, by the plans of the one in use.
size_t memory_of_training(const Config& config, const BatchShape& shape, const std::vector<LoadedImage>& like,
                          bool record = false);

// The same of the CPU, before anything is loaded: of a step of the smallest images that the input size allows, against
// all the memory that the machine has. On a GPU nothing: require_fits() knows more.
void require_batch_fits(const Context& context, const Config& config, int ranks);

// Throws Error(OutOfMemory) where steps of this shape, of the batch of all `ranks`, which begins with `loaded`, will
// not fit into the GPU in use, of which `context` holds what is there already. Names the largest train.batch that does.
// Where they fit without recordings alone these are given up at once.
void require_fits(Context& context, const Config& config, const BatchShape& shape,
                  const std::vector<LoadedImage>& loaded, int ranks);

}  // namespace fovea
