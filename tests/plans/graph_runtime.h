// What the tests' runtime of plans (graph_runtime.cpp) shows.
#pragma once
#include <deque>
#include <vector>

#include "kernels/conv/cuda/cudnn_graphs.h"

namespace fovea::cudnn::test {

extern std::vector<GraphKey> executed_graphs;  // in order, since the start
extern std::deque<double> seconds_to_come;     // what the next timings give; without one there is no timing
constexpr int kTimedRuns = 5;                  // of a candidate that is not much slower than the best, after one before
std::deque<double> runs_of(const std::vector<double>& candidates);  // each as often as it is timed
extern int runs_until_fault;  // the run of a graph after so many fails, once; < 0: none does

// Of the matmuls that may stand for graphs: cublaslt_host.cpp, or no_cublaslt.cpp in builds without cuBLASLt.
size_t matmuls_executed();
bool offer_matmuls(bool offer);  // from now on; returns what held before

}  // namespace fovea::cudnn::test
