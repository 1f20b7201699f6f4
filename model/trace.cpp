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
  return layers;
}

}  // namespace fovea
