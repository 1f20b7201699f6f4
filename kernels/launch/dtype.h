// Element types, and the step from a run-time DType to a compile-time type.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/error.h"
#include "kernels/launch/bfloat16.h"

namespace fovea {

enum class DType : uint8_t { F32, BF16, I32, U8 };

constexpr size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return 4;
    case DType::BF16:
      return 2;
    case DType::I32:
      return 4;
    case DType::U8:
      return 1;
  }
  return 0;
}

constexpr const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return "fp32";
    case DType::BF16:
      return "bf16";
    case DType::I32:
      return "int32";
    case DType::U8:
      return "uint8";
  }
  return "?";
}

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::F32;
}
template <>
constexpr DType dtype_of<bfloat16>() {
  return DType::BF16;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::I32;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::U8;
}

// Calls f.operator()<T>() with T = float or bfloat16:  dispatch(x.dtype(), [&]<class T> { ... });
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
  require(dtype == DType::F32 || dtype == DType::BF16, "this operation needs fp32 or bf16");
  if (dtype == DType::F32) return f.template operator()<float>();
  return f.template operator()<bfloat16>();
}

}  // namespace fovea
