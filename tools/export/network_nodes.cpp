#include "tools/export/network_nodes.h"

#include <string_view>
#include <unordered_map>

#include "kernels/upsample.h"
#include "model/weights.h"
#include "tools/export/onnx_ops.h"

namespace fovea::onnx_file {

namespace {

// "layer1.0.conv1" of "layer1.0.conv1.weight".
std::string layer_of(const Parameter& weight) {
  constexpr std::string_view kEnding = ".weight";
  require(weight.name.ends_with(kEnding), "a layer's parameter has no name of a weight");
  return weight.name.substr(0, weight.name.size() - kEnding.size());
}

Dims both(const kernels::Extent& extent) { return {extent.h, extent.w}; }
Dims pads(const kernels::Extent& extent) { return {extent.h, extent.w, extent.h, extent.w}; }

class Network {
 public:
  Network(Writer& writer, const NetworkGraph& network, const Value& images)
      : writer_(writer), graph_(network.graph), type_(images.type), batch_(images.dims.at(0)) {
    values_[network.images] = images;
    for (const OpGraph::Op& op : graph_.ops())
      values_[op.output] = std::visit([&](const auto& what) { return add(op, what); }, op.what);
  }

  const Value& at(int value) const { return values_.at(value); }

 private:
  const Value& input(const OpGraph::Op& op, size_t i) const { return values_.at(op.inputs.at(i)); }
  Dims dims_of(const OpGraph::Op& op) const {
    const Shape& shape = graph_.shape(op.output);
    return {batch_, shape[3], shape[1], shape[2]};
  }
  // An output in the type of the network.
  Value one(const Writer::Node& node, const std::vector<Value>& inputs, const Dims& dims,
            const Attributes& attributes = {}) const {
    return writer_.node(node, inputs, {{"", type_, dims}}, attributes).front();
  }

  Value add(const OpGraph::Op& op, const ops::ConvArgs& conv) {
    const Parameter& weight = *conv.weight_parameter;
    const Scope scope{writer_, layer_of(weight)};
    std::vector<Value> inputs = weights_of(conv);
    inputs.insert(inputs.begin(), input(op, 0));
    Value y = one({"Conv", scope.in("conv").name, {}}, inputs, dims_of(op),
                  {{"kernel_shape", Dims{weight.shape[1], weight.shape[2]}},
                   {"strides", both(conv.stride)},
                   {"pads", pads(conv.pad)},
                   {"dilations", both(1)},
                   {"group", int64_t{conv.groups}}});
    if (op.inputs.size() > 1) y = scope.binary("Add", y, input(op, 1));
    return conv.relu ? scope.unary("Relu", y) : y;
  }

  // Weight and bias, which the levels of a head share.
  const std::vector<Value>& weights_of(const ops::ConvArgs& conv) {
    const Parameter& weight = *conv.weight_parameter;
    std::vector<Value>& values = weights_[&weight];
    if (!values.empty()) return values;
    const Shape& shape = weight.shape;
    values.push_back(writer_.constant(weight.name, type_, {shape[0], shape[3], shape[1], shape[2]},
                                      to_torchvision(weight, conv.weight.to_host<float>())));
    if (conv.bias)
      values.push_back(writer_.constant(layer_of(weight) + ".bias", type_, {shape[0]}, conv.bias.to_host<float>()));
    return values;
  }

  Value add(const OpGraph::Op& op, const ops::PoolWindow& window) {
    return one({"MaxPool", writer_name("maxPool"), {}}, {input(op, 0)}, dims_of(op),
               {{"kernel_shape", both(window.kernel)}, {"strides", both(2)}, {"pads", pads(window.pad)}});
  }

  Value add(const OpGraph::Op& op, const OpGraph::AveragePool&) {
    return one({"AveragePool", writer_name("averagePool"), {}}, {input(op, 0)}, dims_of(op),
               {{"kernel_shape", both(3)}, {"strides", both(1)}, {"pads", pads(1)}, {"count_include_pad", int64_t{1}}});
  }

  // Each group as the one channel of an instance norm; in fp32, as the engine computes it whatever the tensors are.
  Value add(const OpGraph::Op& op, const ops::GroupNormArgs& norm) {
    const Scope scope{writer_, layer_of(*norm.scale)};
    const Dims dims = dims_of(op);
    const int64_t channels = dims[1], groups = norm.groups;
    const auto channel_values = [&](const Parameter& parameter) {
      std::vector<Value>& values = weights_[&parameter];
      if (values.empty())
        values.push_back(
            writer_.constant(parameter.name, Type::Float, {1, channels, 1, 1}, parameter.value.to_host<float>()));
      return values.front();
    };
    const std::vector<float> ones(static_cast<size_t>(groups), 1), zeros(static_cast<size_t>(groups), 0);
    const Value in_groups =
        scope.reshape(scope.cast(input(op, 0), Type::Float), {batch_, groups, channels / groups * dims[2] * dims[3]});
    const Value normed = writer_
                             .node({"InstanceNormalization", scope.in("normalized").name, {}},
                                   {in_groups, writer_.constant(scope.in("ones").name, Type::Float, {groups}, ones),
                                    writer_.constant(scope.in("zeros").name, Type::Float, {groups}, zeros)},
                                   {{"", Type::Float, in_groups.dims}}, {{"epsilon", norm.epsilon}})
                             .front();
    Value y = scope.binary("Mul", scope.reshape(normed, dims), channel_values(*norm.scale));
    y = scope.binary("Add", y, channel_values(*norm.shift));
    if (norm.relu) y = scope.unary("Relu", y);
    return scope.cast(y, type_);
  }

  Value add(const OpGraph::Op& op, const OpGraph::Relu&) { return plain().unary("Relu", input(op, 0)); }

  Value add(const OpGraph::Op& op, const OpGraph::AddRelu&) {
    return plain().unary("Relu", plain().binary("Add", input(op, 0), input(op, 1)));
  }

  Value add(const OpGraph::Op& op, const OpGraph::Concat&) {
    std::vector<Value> parts;
    for (size_t i = 0; i < op.inputs.size(); ++i) parts.push_back(input(op, i));
    return plain().concat(parts, 1);
  }

  Value add(const OpGraph::Op& op, const OpGraph::UpsampleAdd&) {
    return plain().binary("Add", input(op, 0), upsampled(input(op, 1), dims_of(op)));
  }

  // Twice the size is what each runtime has a fast kernel for. Between other sizes runtimes round differently: the
  // pixels are named.
  Value upsampled(const Value& coarse, const Dims& dims) const {
    if (dims[2] == 2 * coarse.dims[2] && dims[3] == 2 * coarse.dims[3]) {
      const Value scales =
          writer_.constant(plain().in("scales").name, Type::Float, {4}, std::array<float, 4>{1, 1, 2, 2});
      return one({"Resize", plain().in("upsampled").name, {}}, {coarse, Value{}, scales}, dims,
                 {{"mode", std::string("nearest")},
                  {"coordinate_transformation_mode", std::string("asymmetric")},
                  {"nearest_mode", std::string("floor")}});
    }
    Value fine = coarse;
    for (const size_t axis : {2, 3}) {
      std::vector<int64_t> pixels(static_cast<size_t>(dims[axis]));
      for (size_t i = 0; i < pixels.size(); ++i)
        pixels[i] = kernels::upsample_source(static_cast<int>(i), static_cast<int>(coarse.dims[axis]),
                                             static_cast<int>(dims[axis]));
      const Value chosen = writer_.constant(plain().in("pixels").name, {dims[axis]}, pixels);
      fine = plain().gather(fine, chosen, static_cast<int64_t>(axis));
    }
    return fine;
  }

  // Of operations that belong to no layer.
  Scope plain() const { return {writer_, "network"}; }
  std::string writer_name(const char* op) const { return plain().in(op).name; }

  Writer& writer_;
  const OpGraph& graph_;
  Type type_;
  int64_t batch_;
  std::unordered_map<int, Value> values_;
  std::unordered_map<const Parameter*, std::vector<Value>> weights_;
};

}  // namespace

HeadValues add_network(Writer& writer, const NetworkGraph& network, const Value& images) {
  const Network nodes(writer, network, images);
  HeadValues heads;
  for (size_t level = 0; level < network.logits.size(); ++level) {
    heads.logits.push_back(nodes.at(network.logits[level]));
    heads.deltas.push_back(nodes.at(network.deltas[level]));
  }
  return heads;
}

}  // namespace fovea::onnx_file
