// What the tests' runtime of plans (graph_runtime.cpp) shows.
#pragma once
#include <vector>

#include "kernels/cudnn_graphs.h"

namespace fovea::cudnn::test {

extern std::vector<GraphKey> executed_graphs;  // in order, since the start

}  // namespace fovea::cudnn::test
