// A network as a graph of operations, with what its heads leave: for exporters.
#pragma once
#include <vector>

#include "engine/op_graph.h"
#include "model/retinanet.h"

namespace fovea {

struct NetworkGraph {
  OpGraph graph;
  int images = 0;                   // the value that the network takes
  std::vector<int> logits, deltas;  // values, one a level
  std::vector<Size2d> levels;
  std::vector<float> anchors;  // [anchors, 4] x1 y1 x2 y2, in the order of LevelView
};

// Of detection on `images` images of this size, on the CPU. Records the network, which computes nothing: no memory is
// touched but that of the weights. Its tensors are those of the network, which outlives them.
NetworkGraph network_graph(RetinaNet& model, int images, Size2d size);

}  // namespace fovea
