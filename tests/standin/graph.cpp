// Graphs: what was captured, done again in an order that its dependencies allow.
#include <algorithm>

#include "tests/standin/state.h"

namespace standin {
namespace {

std::shared_ptr<const Graph> find_graph(void* handle) {
  const auto found = state().graphs.find(handle);
  return found != state().graphs.end() ? found->second : nullptr;
}

// As captured; or, adverse, of the nodes that may run always the one captured last.
std::vector<size_t> order_of(const Graph& graph) {
  const size_t count = graph.nodes.size();
  std::vector<size_t> order, waits(count, 0);
  if (state().order != Order::Adverse) {
    for (size_t i = 0; i < count; ++i) order.push_back(i);
    return order;
  }
  std::vector<std::vector<size_t>> followers(count);
  for (size_t i = 0; i < count; ++i) {
    waits[i] = graph.nodes[i].after.size();
    for (const size_t before : graph.nodes[i].after) followers[before].push_back(i);
  }
  std::vector<size_t> ready;  // a heap: the greatest first
  for (size_t i = 0; i < count; ++i)
    if (waits[i] == 0) ready.push_back(i);
  std::make_heap(ready.begin(), ready.end());
  while (!ready.empty()) {
    std::pop_heap(ready.begin(), ready.end());
    const size_t node = ready.back();
    ready.pop_back();
    order.push_back(node);
    for (const size_t next : followers[node])
      if (--waits[next] == 0) {
        ready.push_back(next);
        std::push_heap(ready.begin(), ready.end());
      }
  }
  return order;
}

}  // namespace
}  // namespace standin

using namespace standin;

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, size_t* count) {
  return call("cudaGraphGetNodes", [&] {
    const auto found = find_graph(graph);
    if (!found) return cudaErrorInvalidValue;
    *count = found->nodes.size();
    return cudaSuccess;
  });
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  return call("cudaGraphInstantiate", [&] {
    const auto found = find_graph(graph);
    if (!found) return cudaErrorInvalidValue;
    *executable = reinterpret_cast<cudaGraphExec_t>(state().next_handle++);
    state().graphs[*executable] = found;
    state().counts.graph_nodes.push_back(static_cast<int64_t>(found->nodes.size()));
    state().counts.graph_launches.push_back(
        std::count_if(found->nodes.begin(), found->nodes.end(), [](const Node& node) { return node.launch; }));
    return cudaSuccess;
  });
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return call("cudaGraphLaunch", [&] {
    const auto found = find_graph(executable);
    if (!found) return cudaErrorInvalidValue;
    ++state().counts.replays;
    return submit(stream, "graph", true, [found, order = order_of(*found)] {
      for (const size_t node : order) found->nodes[node].work();
    });
  });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return call("cudaGraphDestroy",
              [&] { return state().graphs.erase(graph) == 1 ? cudaSuccess : cudaErrorInvalidValue; });
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  return call("cudaGraphExecDestroy",
              [&] { return state().graphs.erase(executable) == 1 ? cudaSuccess : cudaErrorInvalidValue; });
}
