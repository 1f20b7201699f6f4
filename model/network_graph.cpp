#include "model/network_graph.h"

#include "kernels/device/queue_parts.h"

namespace fovea {

NetworkGraph network_graph(RetinaNet& model, int images, Size2d size) {
  Context& context = model.context();
  NetworkGraph network;
  const Tensor zeros = Tensor::zeros(context.memory, {images, size.height, size.width, 3}, context.activation_dtype);
  network.images = network.graph.add_input(zeros);
  Tape tape(context, /*training=*/false);
  Outputs outputs;
  {
    const ScopedValue recorded(context.graph, &network.graph);
    outputs = model.forward(tape, zeros);
  }
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
