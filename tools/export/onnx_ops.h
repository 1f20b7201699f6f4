// ONNX's operators as functions: each adds a node, and knows the type and shape of what that gives.
#pragma once
#include <initializer_list>
#include <string>
#include <vector>

#include "tools/export/onnx_writer.h"

namespace fovea::onnx_file {

// Where nodes go, and what their names begin with.
struct Scope {
  Writer& writer;
  std::string name;

  Scope in(const std::string& part) const { return {writer, name.empty() ? part : name + "/" + part}; }

  Value scalar(const char* what, float value) const;  // Float
  Value integers(const char* what, std::initializer_list<int64_t> values) const;
  Value integer(const char* what, int64_t value) const;  // without dimensions

  // Relu, Sigmoid, Exp: of x's type and shape. `output`: the name of the value, where it must have one.
  Value unary(const char* op, const Value& x, const std::string& output = {}) const;
  // Add, Sub, Mul, Div, Min, Max; Less, Equal, Greater, And, which give Bool: shapes are broadcast.
  Value binary(const char* op, const Value& a, const Value& b, const std::string& output = {}) const;
  Value select(const Value& condition, const Value& a, const Value& b) const;  // Where
  Value cast(const Value& x, Type type, const std::string& output = {}) const;
  Value transpose(const Value& x, const Dims& permutation) const;
  // `dims`: of the result; where its batch is not known it is x's first size.
  Value reshape(const Value& x, const Dims& dims) const;
  Value unsqueeze(const Value& x, int64_t axis) const;
  Value concat(const std::vector<Value>& parts, int64_t axis, const std::string& output = {}) const;
  Value slice(const Value& x, int64_t axis, int64_t begin, int64_t end) const;
  Value gather(const Value& data, const Value& indices, int64_t axis) const;
  Value gather_elements(const Value& data, const Value& indices, int64_t axis) const;
  // data [N, M, …], indices [N, T] in 0 … M − 1: [N, T, …].
  Value gather_rows(const Value& data, const Value& indices) const;
  struct Top {
    Value values, indices;
  };
  Top top_k(const Value& x, int64_t count) const;  // along the last axis, falling, the first of equals first
};

}  // namespace fovea::onnx_file
