#include "model/trace.h"

namespace fovea {

std::vector<ConvTrace> traced_layers(Context& context, RetinaNet& model, const Shape& images, bool training) {
  std::vector<ConvTrace> layers;
  context.trace = &layers;
  context.queue.record([&] {
    layers.clear();  // a GPU's recording runs this more than once
    Tape tape(context, training);
    model.forward(tape, context.empty(images, context.activation_dtype));
  });
  context.trace = nullptr;
  model.parameters().touch();  // what the recording would have made of the weights was not made
  return layers;
}

}  // namespace fovea
