// float64 references of the point-wise kernels, written from their definitions.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/support/tolerance.h"

namespace fovea::test {

// Element i is f(i): one term.
template <class F>
Reference reference_of(size_t n, const F& f) {
  Reference expected(n);
  for (size_t i = 0; i < n; ++i) expected.add(i, f(i));
  return expected;
}

inline double oracle_relu(double x) { return std::isnan(x) || x > 0 ? x : 0; }
inline double oracle_relu_gradient(double y, double dy) { return y <= 0 ? 0 : dy; }

// The sums down the columns of [rows, columns], on top of `before` where given.
template <class T>
Reference oracle_column_sum(const std::vector<T>& x, size_t columns, const std::vector<float>* before = nullptr) {
  Reference expected(columns);
  if (before != nullptr)
    for (size_t c = 0; c < columns; ++c) expected.add(c, (*before)[c]);
  for (size_t i = 0; i < x.size(); ++i) expected.add(i % columns, static_cast<double>(x[i]));
  return expected;
}

}  // namespace fovea::test
