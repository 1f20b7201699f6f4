// The runtime of cuDNN's plans (kernels/cudnn_runtime.h) for tests: plans are cuDNN's own, made for the described H200;
// running one computes what its graph says, by oneDNN in the host's memory. So everything around a plan runs here:
// which graph is taken, layouts, padding, scratch, and the passes before and after it.
#include <cstring>

#include "kernels/bfloat16.h"
#include "kernels/conv_backend.h"
#include "kernels/cudnn_runtime.h"
#include "kernels/host_memory.h"
#include "tests/plans/graph_runtime.h"

namespace fovea::cudnn {
namespace {

using kernels::ConvBackend;

// A queue and primitives of its own: the scratch of the caller's queue is in use.
struct Cpu {
  Queue queue;
  std::unique_ptr<ConvBackend> convolution = kernels::make_onednn_backend(kernels::ConvAlgorithm::Direct);
};
Cpu& cpu() {
  static Cpu one;
  return one;
}

template <class T>
void run(const ConvGraph& graph, const Operands& o) {
  const GraphKey& key = graph.key();
  const ConvShape& s = key.shape;
  const DType dtype = dtype_of<T>();
  if (key.pass == ConvPass::Forward) {
    std::vector<float> bias(key.bias ? s.out_c : 0);
    for (size_t c = 0; c < bias.size(); ++c) bias[c] = static_cast<const T*>(o.bias)[c];
    cpu().convolution->forward(cpu().queue, s, dtype,
                               {o.image, {o.weights}, key.bias ? bias.data() : nullptr, o.add, key.relu, o.out});
  } else if (key.pass == ConvPass::BackwardData) {
    if (key.add && o.add != o.out) std::memcpy(o.out, o.add, s.input_count() * sizeof(T));
    cpu().convolution->backward_data(cpu().queue, s, dtype, {o.image, {o.weights}, o.mask, key.add, o.out});
  } else {
    std::vector<float> dweight(s.weight_count());
    cpu().convolution->backward_weight(cpu().queue, s, dtype, {o.image, o.weights, false, dweight.data(), nullptr});
    for (size_t i = 0; i < dweight.size(); ++i) static_cast<T*>(o.out)[i] = static_cast<T>(dweight[i]);
  }
}

bool aligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }

}  // namespace

const Device& device() {
  static const Device h200 = Device::h200();
  return h200;
}

void execute(Queue&, const ConvGraph& graph, const Operands& o, void* workspace) {
  const GraphKey& key = graph.key();
  require(key.bias == (o.bias != nullptr), "a graph gets the bias that it has");
  require(key.add == (o.add != nullptr), "a graph gets the addend that it has");
  require(o.mask == nullptr || key.relu, "a graph gets the mask that it has");
  require(
      aligned(o.image) && aligned(o.weights) && aligned(o.add) && aligned(o.bias) && aligned(o.mask) && aligned(o.out),
      "cuDNN's kernels take operands aligned to 16 bytes");
  std::memset(workspace, 0xff, graph.info().workspace);  // a plan may write all of it
  test::executed_graphs.push_back(key);
  dispatch(key.dtype, [&]<class T> { run<T>(graph, o); });
}

double seconds(Queue&, const std::function<void()>& work) {
  require(!test::seconds_to_come.empty(), "nothing is timed on a described device");
  work();
  const double next = test::seconds_to_come.front();
  test::seconds_to_come.pop_front();
  return next;
}

bool runs_contracts() { return false; }
void run_contract(Queue&, const ContractCall&) { require(false, "this runtime runs graphs"); }

void* allocate(size_t bytes) { return kernels::allocate_host(bytes); }
void release(void* memory) { std::free(memory); }

namespace test {
std::vector<GraphKey> executed_graphs;
std::deque<double> seconds_to_come;
}  // namespace test

}  // namespace fovea::cudnn
