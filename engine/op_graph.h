// What a forward pass computes, as a graph: for those who write the network down for other programs. The operations add
// themselves (engine/ops.cpp) where Context::graph is set, so the graph is that of the network that runs.
#pragma once
#include <unordered_map>
#include <variant>
#include <vector>

#include "engine/ops.h"

namespace fovea {

class OpGraph {
 public:
  struct Relu {};
  struct AddRelu {};  // relu(a + b)
  struct AveragePool {};
  struct Concat {};       // along the channels
  struct UpsampleAdd {};  // lateral + nearest(coarse)
  // Of a convolution `add` is an input of the operation. What it computes with are its arguments' tensors: `weight` and
  // `bias`, a norm folded in.
  using What =
      std::variant<ops::ConvArgs, ops::PoolWindow, ops::GroupNormArgs, Relu, AddRelu, AveragePool, Concat, UpsampleAdd>;
  struct Op {
    What what;
    std::vector<int> inputs;  // numbers of values
    int output;
  };

  // A value that no operation makes: the images.
  int add_input(const Tensor& x) { return number(x, x.shape()); }
  // In the order in which they run. Inputs that are no tensor are left out; others must be known.
  void add(const What& what, const std::vector<Tensor>& inputs, const Tensor& output);

  const std::vector<Op>& ops() const { return ops_; }
  const Shape& shape(int value) const { return shapes_[static_cast<size_t>(value)]; }  // NHWC, without padding
  // Of a tensor that is still held.
  int value_of(const Tensor& x) const;

 private:
  int number(const Tensor& x, const Shape& shape);

  std::vector<Op> ops_;
  std::vector<Shape> shapes_;
  // By Tensor::id(). One that is gone leaves its id to a later one, which is then the only one that can be meant.
  std::unordered_map<const void*, int> numbers_;
};

}  // namespace fovea
