// An ONNX model, built node by node and written by ONNX's own protobuf definition. Each value is known by its name,
// type and shape, which are written too; onnx_ops.h has the operators' rules for them.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace fovea::onnx_file {

enum class Type : uint8_t { Float, Half, Bfloat, Uint8, Int32, Int64, Bool };

// Sizes that are not known before the model runs: of the batch, and of what a suppression keeps.
inline constexpr int64_t kBatch = -1, kKept = -2;
using Dims = std::vector<int64_t>;

struct Value {
  std::string name;
  Type type = Type::Float;
  Dims dims;
};

using Attribute = std::variant<int64_t, float, std::string, Dims>;
using Attributes = std::vector<std::pair<std::string, Attribute>>;

class Writer {
 public:
  // The set of operators, and of the custom ones a domain with its version 1 (empty: there are none).
  explicit Writer(int opset, const std::string& custom_domain = {});
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Value input(const std::string& name, Type type, const Dims& dims);
  // A constant; `values` are rounded to `type`, a floating one. Throws Error(Data) where a finite one becomes infinite.
  Value constant(const std::string& name, Type type, const Dims& dims, std::span<const float> values);
  Value constant(const std::string& name, const Dims& dims, std::span<const int64_t> values);  // Int64
  // A name that is taken is numbered. `domain`: empty for ONNX's own operators.
  struct Node {
    std::string op, name, domain;
  };
  // Gives the outputs their names: the node's, or where there are several the node's with their numbers; those that
  // have a name keep it.
  std::vector<Value> node(const Node& node, const std::vector<Value>& inputs, std::vector<Value> outputs,
                          const Attributes& attributes = {});
  void output(const Value& value);
  void metadata(const std::string& key, const std::string& value);

  // The file's bytes. Throws Error(Usage) where they are more than protobuf writes (2 GB).
  std::string bytes() const;

 private:
  std::string unused(const std::string& name);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fovea::onnx_file
