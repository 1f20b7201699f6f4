// The network as nodes of ONNX: images in NCHW, weights OIHW.
#pragma once
#include <vector>

#include "model/network_graph.h"
#include "tools/export/onnx_writer.h"

namespace fovea::onnx_file {

struct HeadValues {
  std::vector<Value> logits, deltas;  // one a level, [N, A·columns, H, W]
};

// `images`: [N, 3, H, W]; its type is that of all tensors and weights but for what a group norm computes, which is
// fp32.
HeadValues add_network(Writer& writer, const NetworkGraph& network, const Value& images);

}  // namespace fovea::onnx_file
