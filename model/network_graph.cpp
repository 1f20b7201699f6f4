#include "model/network_graph.h"

#include <algorithm>

#include "kernels/device/queue_parts.h"

namespace fovea {

NetworkGraph network_graph(RetinaNet& model, int images, Size2d size) {
  Context& context = model.context();
  const auto forward = [&](const Tensor& x) {
    Tape tape(context, /*training=*/false);
    return model.forward(tape, x);
  };
  // Once on a small image, for the weights as convolutions take them.
  constexpr int kEnough = 128;
  forward(Tensor::zeros(context.memory, {1, std::min(size.height, kEnough), std::min(size.width, kEnough), 3},
                        context.activation_dtype));
  NetworkGraph network;
  Outputs outputs;
  context.queue.record([&] {
    const Tensor x = Tensor::empty(context.memory, {images, size.height, size.width, 3}, context.activation_dtype);
    network.images = network.graph.add_input(x);
    const ScopedValue recorded(context.graph, &network.graph);
    outputs = forward(x);
  });
  model.parameters().touch();  // what the recording would have made of the weights was not made
  for (size_t level = 0; level < outputs.logits.size(); ++level) {
    const Tensor& logits = outputs.logits[level];
    network.logits.push_back(network.graph.value_of(logits));
    network.deltas.push_back(network.graph.value_of(outputs.deltas[level]));
    network.levels.push_back({logits.height(), logits.width()});
  }
  network.anchors = model.anchors_for(outputs, size).to_host<float>();
  return network;
}

}  // namespace fovea
