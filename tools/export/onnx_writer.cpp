#include "tools/export/onnx_writer.h"

#include <fmt/format.h>

#include <bit>
#include <climits>
#include <cmath>
#include <set>

#include "engine/half.h"
#include "kernels/error.h"
#include "kernels/launch/bfloat16.h"
#include "tools/export/onnx_proto.h"
#include "tools/text/outputs.h"
#include "tools/text/version.h"

namespace fovea::onnx_file {

namespace {

using Proto = ONNX_NAMESPACE::TensorProto;

int proto_type(Type type) {
  switch (type) {
    case Type::Half:
      return Proto::FLOAT16;
    case Type::Bfloat:
      return Proto::BFLOAT16;
    case Type::Uint8:
      return Proto::UINT8;
    case Type::Int32:
      return Proto::INT32;
    case Type::Int64:
      return Proto::INT64;
    case Type::Bool:
      return Proto::BOOL;
    case Type::Float:
      break;
  }
  return Proto::FLOAT;
}

void describe(ONNX_NAMESPACE::ValueInfoProto& info, const Value& value) {
  info.set_name(value.name);
  auto* tensor = info.mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(proto_type(value.type));
  auto* shape = tensor->mutable_shape();
  for (const int64_t size : value.dims) {
    auto* dim = shape->add_dim();
    if (size == kBatch)
      dim->set_dim_param("batch");
    else if (size == kKept)
      dim->set_dim_param("kept");
    else
      dim->set_dim_value(size);
  }
}

void set(ONNX_NAMESPACE::AttributeProto& attribute, const Attribute& value) {
  using P = ONNX_NAMESPACE::AttributeProto;
  if (const auto* whole = std::get_if<int64_t>(&value)) {
    attribute.set_type(P::INT);
    attribute.set_i(*whole);
  } else if (const auto* number = std::get_if<float>(&value)) {
    attribute.set_type(P::FLOAT);
    attribute.set_f(*number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    attribute.set_type(P::STRING);
    attribute.set_s(*text);
  } else {
    attribute.set_type(P::INTS);
    for (const int64_t size : std::get<Dims>(value)) attribute.add_ints(size);
  }
}

template <class T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Files have little-endian numbers.
static_assert(std::endian::native == std::endian::little);

}  // namespace

struct Writer::Impl {
  ONNX_NAMESPACE::ModelProto model;
  std::set<std::string> names;
};

Writer::Writer(int opset, const std::string& custom_domain) : impl_(std::make_unique<Impl>()) {
  ONNX_NAMESPACE::ModelProto& model = impl_->model;
  // The version of the format that came with the operators: readers of these take it.
  constexpr int kFirstWithLaterFormat = 22;
  model.set_ir_version(opset >= kFirstWithLaterFormat ? 10 : 8);
  model.set_producer_name("fovea");
  model.set_producer_version(kVersion);
  model.set_doc_string(kMark);  // in the file's head
  model.add_opset_import()->set_version(opset);
  model.mutable_graph()->set_name("fovea");
  if (custom_domain.empty()) return;
  auto* custom = model.add_opset_import();
  custom->set_domain(custom_domain);
  custom->set_version(1);
}

Writer::~Writer() = default;

std::string Writer::unused(const std::string& name) {
  std::string free = name;
  for (int number = 2; !impl_->names.insert(free).second; ++number) free = fmt::format("{}_{}", name, number);
  return free;
}

Value Writer::input(const std::string& name, Type type, const Dims& dims) {
  const Value value{unused(name), type, dims};
  describe(*impl_->model.mutable_graph()->add_input(), value);
  return value;
}

Value Writer::constant(const std::string& name, Type type, const Dims& dims, std::span<const float> values) {
  Value value{unused(name), type, dims};
  Proto& tensor = *impl_->model.mutable_graph()->add_initializer();
  tensor.set_name(value.name);
  tensor.set_data_type(proto_type(type));
  size_t count = 1;
  for (const int64_t size : dims) {
    tensor.add_dims(size);
    count *= static_cast<size_t>(size);
  }
  require(count == values.size(), "a constant's values are not as many as its shape says");
  std::string& bytes = *tensor.mutable_raw_data();
  bytes.reserve(count * sizeof(float));
  for (const float number : values) {
    if (type == Type::Float) {
      append(bytes, number);
      continue;
    }
    require(type == Type::Half || type == Type::Bfloat, "a constant of numbers has a type of integers");
    const uint16_t bits = type == Type::Half ? half_of_float(number) : bfloat16(number).bits;
    const uint16_t infinity = type == Type::Half ? 0x7c00u : 0x7f80u;
    if (std::isfinite(number) && (bits & 0x7fffu) == infinity)
      throw Error(ErrorKind::Data, fmt::format("'{}' holds {}, which {} cannot express: choose another precision",
                                               value.name, number, type == Type::Half ? "fp16" : "bf16"));
    append(bytes, bits);
  }
  return value;
}

Value Writer::constant(const std::string& name, const Dims& dims, std::span<const int64_t> values) {
  Value value{unused(name), Type::Int64, dims};
  Proto& tensor = *impl_->model.mutable_graph()->add_initializer();
  tensor.set_name(value.name);
  tensor.set_data_type(Proto::INT64);
  for (const int64_t size : dims) tensor.add_dims(size);
  for (const int64_t number : values) append(*tensor.mutable_raw_data(), number);
  return value;
}

std::vector<Value> Writer::node(const Node& node, const std::vector<Value>& inputs, std::vector<Value> outputs,
                                const Attributes& attributes) {
  auto& graph = *impl_->model.mutable_graph();
  auto& added = *graph.add_node();
  added.set_op_type(node.op);
  if (!node.domain.empty()) added.set_domain(node.domain);
  for (const Value& input : inputs) added.add_input(input.name);
  for (size_t i = 0; i < outputs.size(); ++i) {
    Value& output = outputs[i];
    if (output.name.empty()) output.name = outputs.size() == 1 ? node.name : fmt::format("{}.{}", node.name, i);
    output.name = unused(output.name);
    added.add_output(output.name);
    describe(*graph.add_value_info(), output);
  }
  added.set_name(outputs.at(0).name);
  for (const auto& [name, value] : attributes) {
    auto& attribute = *added.add_attribute();
    attribute.set_name(name);
    set(attribute, value);
  }
  return outputs;
}

void Writer::output(const Value& value) {
  auto& graph = *impl_->model.mutable_graph();
  auto& infos = *graph.mutable_value_info();  // where outputs are not listed
  for (int i = 0; i < infos.size(); ++i)
    if (infos[i].name() == value.name) {
      infos.DeleteSubrange(i, 1);
      break;
    }
  describe(*graph.add_output(), value);
}

void Writer::metadata(const std::string& key, const std::string& value) {
  auto& entry = *impl_->model.add_metadata_props();
  entry.set_key(key);
  entry.set_value(value);
}

std::string Writer::bytes() const {
  const size_t size = impl_->model.ByteSizeLong();
  if (size > size_t{INT_MAX})
    throw Error(ErrorKind::Usage, fmt::format("the model has {:.1f} GB, and an ONNX file at most 2.1: choose a "
                                              "precision of 16 bits",
                                              static_cast<double>(size) / 1e9));
  std::string bytes;
  require(impl_->model.SerializeToString(&bytes), "protobuf could not write the model");
  return bytes;
}

}  // namespace fovea::onnx_file
