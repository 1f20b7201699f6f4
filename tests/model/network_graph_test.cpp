// The network as a graph of operations: what exporters write down.
#include "model/network_graph.h"

#include <set>

#include "model/trace.h"
#include "tests/support/catch.h"
#include "tests/support/seeded.h"

using namespace fovea;

namespace {

constexpr Size2d kImage{96, 128};

ModelConfig graph_config(BackboneKind kind) {
  ModelConfig config;
  config.backbone.kind = kind;
  config.backbone.depth = kind == BackboneKind::ResNet ? 18 : usual_depth(kind);
  config.backbone.width_divisor = 8;
  config.fpn.channels = 16;
  config.head = {.convolutions = 1, .norm = Norm::Group, .norm_groups = 4};
  config.classes = 3;
  return config;
}

}  // namespace

TEST_CASE("the graph of a network has all its convolutions, and each operation's inputs come before it", "[graph]") {
  for (const BackboneKind kind : {BackboneKind::ResNet, BackboneKind::Vgg, BackboneKind::Inception}) {
    Context context;
    RetinaNet model(context, graph_config(kind), 1);
    const auto layers = traced_layers(context, model, {2, kImage.height, kImage.width, 3}, /*training=*/false);
    const NetworkGraph network = network_graph(model, 2, kImage);
    std::set<int> known{network.images};
    size_t convolutions = 0;
    for (const OpGraph::Op& op : network.graph.ops()) {
      for (const int input : op.inputs) CHECK(known.contains(input));
      CHECK(known.insert(op.output).second);
      const auto* convolution = std::get_if<ops::ConvArgs>(&op.what);
      if (convolution == nullptr) continue;
      const ConvTrace& layer = layers.at(convolutions++);
      CHECK(convolution->weight_parameter->name == layer.name);
      CHECK(convolution->relu == layer.fusion.relu);
      CHECK(op.inputs.size() == (layer.fusion.add ? 2 : 1));
      CHECK(network.graph.shape(op.inputs[0]) == Shape{2, layer.shape.in_h, layer.shape.in_w, layer.shape.in_c});
      CHECK(network.graph.shape(op.output) == Shape{2, layer.shape.out_h(), layer.shape.out_w(), layer.shape.out_c});
    }
    CHECK(convolutions == layers.size());
  }
}

TEST_CASE("the graph of a network ends in its heads, and recording it changes nothing", "[graph]") {
  Context context;
  RetinaNet model(context, graph_config(BackboneKind::ResNet), 1);
  const auto detect = [&] {
    const Shape shape{1, kImage.height, kImage.width, 3};
    Tape tape(context, /*training=*/false);
    const Tensor image =
        Tensor::from(context.memory, shape, test::seeded_uniform<float>(static_cast<size_t>(shape.count()), 7));
    return model.forward(tape, image).logits[0].to_host<float>();
  };
  const auto before = detect();
  const NetworkGraph network = network_graph(model, 1, kImage);
  CHECK(context.graph == nullptr);
  REQUIRE(network.logits.size() == 5);
  CHECK(network.levels[0] == Size2d{12, 16});
  CHECK(network.graph.shape(network.logits[0]) == Shape{1, 12, 16, 9 * 3});
  CHECK(network.graph.shape(network.deltas[4]) == Shape{1, 1, 1, 9 * 4});
  CHECK(network.anchors.size() == size_t{4} * 9 * (12 * 16 + 6 * 8 + 3 * 4 + 2 * 2 + 1));
  CHECK(detect() == before);
}
