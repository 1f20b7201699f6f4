#include "tests/standin/plan_double.h"

#include <cstring>

#include "kernels/conv/backend.h"
#include "kernels/launch/bfloat16.h"
#include "tests/standin/operands.h"

namespace fovea::cudnn::test {
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
void compute_as(const GraphKey& key, const Operands& o) {
  const ConvShape& s = key.shape;
  if (key.pass == ConvPass::Forward) {
    std::vector<float> bias(key.bias ? static_cast<size_t>(s.out_c) : 0);
    for (size_t c = 0; c < bias.size(); ++c) bias[c] = static_cast<const T*>(o.bias)[c];
    cpu().convolution->forward(cpu().queue, s, key.dtype,
                               {o.image, {o.weights}, key.bias ? bias.data() : nullptr, o.add, key.relu, o.out});
  } else if (key.pass == ConvPass::BackwardData) {
    if (key.add && o.add != o.out) std::memcpy(o.out, o.add, static_cast<size_t>(s.input_count()) * sizeof(T));
    cpu().convolution->backward_data(cpu().queue, s, key.dtype, {o.image, {o.weights}, o.mask, key.add, o.out});
  } else {
    std::vector<float> dweight(static_cast<size_t>(s.weight_count()));
    cpu().convolution->backward_weight(cpu().queue, s, key.dtype, {o.image, o.weights, false, dweight.data(), nullptr});
    for (size_t i = 0; i < dweight.size(); ++i) static_cast<T*>(o.out)[i] = static_cast<T>(dweight[i]);
  }
}

}  // namespace

void check_operands(const ConvGraph& graph, const Operands& o, const void* workspace) {
  const GraphKey& key = graph.key();
  const bool forward = key.pass == ConvPass::Forward, data = key.pass == ConvPass::BackwardData;
  const int64_t x = key.shape.input_count(), y = key.shape.output_count(), w = key.shape.weight_count();
  const auto refuse = [&](const char* what, const char* why) {
    throw Error(ErrorKind::Runtime, "cuDNN's double refuses " + text_of(key) + ": " + what + why);
  };
  const auto check = [&](bool has, const char* what, const void* memory, int64_t count) {
    if (has && memory == nullptr) refuse(what, " is missing");
    if (!has && memory != nullptr) refuse(what, " is given, but the graph has none");
    if (has && !fovea::test::in_device_memory(memory, static_cast<size_t>(count) * size_of(key.dtype),
                                              fovea::test::kOperandAlignment))
      refuse(what, " is not in the device's memory, or not aligned to 16 bytes");
  };
  check(true, "the image", o.image, data ? y : x);
  check(true, "the weights", o.weights, key.pass == ConvPass::BackwardWeight ? y : w);
  check(key.add, "the addend", o.add, data ? x : y);
  check(key.bias, "the bias", o.bias, key.shape.out_c);
  check(data && key.relu, "the mask", o.mask, x);
  check(true, "the output", o.out, forward ? y : data ? x : w);
  const size_t bytes = graph.info().workspace;
  if (bytes > 0 && !fovea::test::in_device_memory(workspace, bytes, fovea::test::kWorkspaceAlignment))
    refuse("the workspace", " is not in the device's memory, or not aligned to 256 bytes");
}

void compute(const GraphKey& key, const Operands& operands, void* workspace, size_t workspace_bytes) {
  if (workspace_bytes > 0) std::memset(workspace, 0xff, workspace_bytes);
  dispatch(key.dtype, [&]<class T> { compute_as<T>(key, operands); });
}

}  // namespace fovea::cudnn::test
