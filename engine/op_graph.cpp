#include "engine/op_graph.h"

namespace fovea {

int OpGraph::number(const Tensor& x, const Shape& shape) {
  const int number = static_cast<int>(shapes_.size());
  shapes_.push_back(shape);
  numbers_[x.id()] = number;
  return number;
}

int OpGraph::value_of(const Tensor& x) const {
  const auto known = numbers_.find(x.id());
  require(known != numbers_.end(), "a tensor comes from an operation that adds itself to no graph");
  return known->second;
}

void OpGraph::add(const What& what, const std::vector<Tensor>& inputs, const Tensor& output) {
  Op op{what, {}, 0};
  for (const Tensor& input : inputs)
    if (input) op.inputs.push_back(value_of(input));
  Shape shape = output.shape();
  if (auto* convolution = std::get_if<ops::ConvArgs>(&op.what)) {
    shape = {shape[0], shape[1], shape[2], convolution->weight.shape()[0]};
    convolution->add = {};  // which would keep its memory
  }
  op.output = number(output, shape);
  ops_.push_back(std::move(op));
}

}  // namespace fovea
