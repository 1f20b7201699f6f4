// The runtime of cuDNN's plans (kernels/conv/cuda/cudnn_runtime.h) for tests: plans are cuDNN's own, made for the
// described H200; running one computes what its graph says, at once, in the host's memory.
#include <deque>

#include "kernels/conv/cuda/cudnn_runtime.h"
#include "kernels/device/host_memory.h"
#include "tests/plans/graph_runtime.h"
#include "tests/standin/operands.h"
#include "tests/standin/plan_double.h"

namespace fovea::cudnn {

void execute(Queue&, const ConvGraph& graph, const Operands& operands, void* workspace) {
  test::check_operands(graph, operands, workspace);
  if (test::runs_until_fault-- == 0) throw Error(ErrorKind::Runtime, "the launch failed");
  test::executed_graphs.push_back(graph.key());
  test::compute(graph.key(), operands, workspace, graph.info().workspace);
}

namespace test {
std::vector<GraphKey> executed_graphs;
std::deque<double> seconds_to_come;
int runs_until_fault = -1;

std::deque<double> runs_of(const std::vector<double>& candidates) {
  std::deque<double> runs;
  for (const double seconds : candidates) runs.insert(runs.end(), kTimedRuns, seconds);
  return runs;
}
}  // namespace test

}  // namespace fovea::cudnn

namespace fovea::conv::cuda {

const cudnn::Device& device() {
  static const cudnn::Device h200 = cudnn::Device::h200();
  return h200;
}

double seconds(Queue&, const std::function<void()>& work) {
  require(!cudnn::test::seconds_to_come.empty(), "a described device was asked to time something");
  work();
  const double next = cudnn::test::seconds_to_come.front();
  cudnn::test::seconds_to_come.pop_front();
  return next;
}

void* allocate(size_t bytes) { return kernels::allocate_host(bytes); }
void release(void* memory) { std::free(memory); }

}  // namespace fovea::conv::cuda

// Where memory ends is known to the tests' own guards.
bool fovea::test::in_device_memory(const void* memory, size_t, size_t alignment) {
  return memory != nullptr && reinterpret_cast<uintptr_t>(memory) % alignment == 0;
}
