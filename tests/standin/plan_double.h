// What a plan of cuDNN computes, by oneDNN in the host's memory: a double of the plan's kernel. So everything around a
// plan runs in tests as it does on a GPU: which graph is taken, layouts, padding, scratch, the passes before and after.
#pragma once
#include "kernels/conv/cuda/cudnn_graphs.h"

namespace fovea::cudnn::test {

// As strict as cuDNN: throws where the graph is not given the operands that it has, or one does not lie in the device's
// memory as a whole, or is not aligned.
void check_operands(const ConvGraph& graph, const Operands& operands, const void* workspace);

// The graph of `key` on these operands. The same bits each time. A plan may write all of its workspace: this does.
void compute(const GraphKey& key, const Operands& operands, void* workspace, size_t workspace_bytes);

}  // namespace fovea::cudnn::test
