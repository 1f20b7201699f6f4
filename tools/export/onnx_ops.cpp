#include "tools/export/onnx_ops.h"

#include <string_view>

#include "kernels/error.h"

namespace fovea::onnx_file {

namespace {

Dims broadcast(Dims a, Dims b) {
  while (a.size() < b.size()) a.insert(a.begin(), 1);
  while (b.size() < a.size()) b.insert(b.begin(), 1);
  for (size_t i = 0; i < a.size(); ++i) {
    require(a[i] == b[i] || a[i] == 1 || b[i] == 1, "shapes of an exported operation cannot be broadcast");
    if (a[i] == 1) a[i] = b[i];
  }
  return a;
}

bool gives_bool(std::string_view op) { return op == "Less" || op == "Equal" || op == "Greater" || op == "And"; }

std::string lower_first(std::string op) {
  op[0] = static_cast<char>(op[0] - 'A' + 'a');
  return op;
}

// One output, of this name or of the scope's and the operator's.
Value one(const Scope& scope, const std::string& op, const std::vector<Value>& inputs, Type type, const Dims& dims,
          const Attributes& attributes = {}, const std::string& output = {}) {
  const std::string name = scope.in(lower_first(op)).name;
  return scope.writer.node({op, name, {}}, inputs, {{output, type, dims}}, attributes).front();
}

}  // namespace

Value Scope::scalar(const char* what, float value) const {
  return writer.constant(in(what).name, Type::Float, {}, std::array{value});
}

Value Scope::integers(const char* what, std::initializer_list<int64_t> values) const {
  return writer.constant(in(what).name, {static_cast<int64_t>(values.size())}, {values.begin(), values.size()});
}

Value Scope::integer(const char* what, int64_t value) const {
  return writer.constant(in(what).name, {}, std::array{value});
}

Value Scope::unary(const char* op, const Value& x, const std::string& output) const {
  return one(*this, op, {x}, x.type, x.dims, {}, output);
}

Value Scope::binary(const char* op, const Value& a, const Value& b, const std::string& output) const {
  require(a.type == b.type, "an exported operation has operands of two types");
  return one(*this, op, {a, b}, gives_bool(op) ? Type::Bool : a.type, broadcast(a.dims, b.dims), {}, output);
}

Value Scope::select(const Value& condition, const Value& a, const Value& b) const {
  require(a.type == b.type, "an exported operation has operands of two types");
  return one(*this, "Where", {condition, a, b}, a.type, broadcast(condition.dims, broadcast(a.dims, b.dims)));
}

Value Scope::cast(const Value& x, Type type, const std::string& output) const {
  if (x.type == type && output.empty()) return x;
  constexpr int64_t kProtoTypes[] = {1, 10, 16, 2, 6, 7, 9};  // TensorProto's numbers, in the order of Type
  return one(*this, "Cast", {x}, type, x.dims, {{"to", kProtoTypes[static_cast<size_t>(type)]}}, output);
}

Value Scope::transpose(const Value& x, const Dims& permutation) const {
  Dims dims;
  for (const int64_t axis : permutation) dims.push_back(x.dims.at(static_cast<size_t>(axis)));
  return one(*this, "Transpose", {x}, x.type, dims, {{"perm", permutation}});
}

Value Scope::reshape(const Value& x, const Dims& dims) const {
  Dims sizes = dims;
  if (sizes.at(0) == kBatch) sizes[0] = 0;  // Reshape: as the input's
  const Value shape = writer.constant(in("shape").name, {static_cast<int64_t>(sizes.size())}, sizes);
  return one(*this, "Reshape", {x, shape}, x.type, dims);
}

Value Scope::unsqueeze(const Value& x, int64_t axis) const {
  Dims dims = x.dims;
  dims.insert(dims.begin() + axis, 1);
  return one(*this, "Unsqueeze", {x, integers("axis", {axis})}, x.type, dims);
}

Value Scope::concat(const std::vector<Value>& parts, int64_t axis, const std::string& output) const {
  Dims dims = parts.at(0).dims;
  const auto at = static_cast<size_t>(axis);
  dims[at] = 0;
  for (const Value& part : parts) dims[at] += part.dims.at(at);
  return one(*this, "Concat", parts, parts[0].type, dims, {{"axis", axis}}, output);
}

Value Scope::slice(const Value& x, int64_t axis, int64_t begin, int64_t end) const {
  Dims dims = x.dims;
  dims.at(static_cast<size_t>(axis)) = end - begin;
  return one(*this, "Slice", {x, integers("begin", {begin}), integers("end", {end}), integers("axis", {axis})}, x.type,
             dims);
}

Value Scope::gather(const Value& data, const Value& indices, int64_t axis) const {
  Dims dims(data.dims.begin(), data.dims.begin() + axis);
  dims.insert(dims.end(), indices.dims.begin(), indices.dims.end());
  dims.insert(dims.end(), data.dims.begin() + axis + 1, data.dims.end());
  return one(*this, "Gather", {data, indices}, data.type, dims, {{"axis", axis}});
}

Value Scope::gather_elements(const Value& data, const Value& indices, int64_t axis) const {
  return one(*this, "GatherElements", {data, indices}, data.type, indices.dims, {{"axis", axis}});
}

Value Scope::gather_rows(const Value& data, const Value& indices) const {
  Dims dims = indices.dims;
  dims.insert(dims.end(), data.dims.begin() + 2, data.dims.end());
  return one(*this, "GatherND", {data, unsqueeze(indices, static_cast<int64_t>(indices.dims.size()))}, data.type, dims,
             {{"batch_dims", int64_t{1}}});
}

Scope::Top Scope::top_k(const Value& x, int64_t count) const {
  Dims dims = x.dims;
  dims.back() = count;
  auto found = writer.node({"TopK", in("topK").name, {}}, {x, integers("count", {count})},
                           {{"", x.type, dims}, {"", Type::Int64, dims}},
                           {{"axis", int64_t{-1}}, {"largest", int64_t{1}}, {"sorted", int64_t{1}}});
  return {found[0], found[1]};
}

}  // namespace fovea::onnx_file
