// A number with its derivatives by four inputs (forward mode): a formula written once gives its value and its gradient.
#pragma once
#include <cmath>
#include <type_traits>

#include "kernels/launch/function.h"
#include "kernels/launch/math.h"

namespace fovea::kernels {

template <class S>  // float
struct Dual {
  S value, slope[4];

  template <class C>
  requires std::is_convertible_v<C, S> FN Dual(C constant)
      : value(constant), slope{} {}  // NOLINT(google-explicit-constructor)
  FN static Dual input(const S& v, int index) {
    Dual x(v);
    x.slope[index] = S(1.f);
    return x;
  }

  FN friend Dual operator+(Dual a, const Dual& b) {
    a.value = a.value + b.value;
    for (int k = 0; k < 4; ++k) a.slope[k] = a.slope[k] + b.slope[k];
    return a;
  }
  FN friend Dual operator-(Dual a, const Dual& b) {
    a.value = a.value - b.value;
    for (int k = 0; k < 4; ++k) a.slope[k] = a.slope[k] - b.slope[k];
    return a;
  }
  FN friend Dual operator*(const Dual& a, const Dual& b) {
    Dual y(a.value * b.value);
    for (int k = 0; k < 4; ++k) y.slope[k] = a.slope[k] * b.value + a.value * b.slope[k];
    return y;
  }
  FN friend Dual operator/(const Dual& a, const Dual& b) {
    Dual y(a.value / b.value);
    for (int k = 0; k < 4; ++k) y.slope[k] = (a.slope[k] - y.value * b.slope[k]) / b.value;
    return y;
  }
  FN friend bool operator>(const Dual& a, const Dual& b) { return a.value > b.value; }
  FN friend bool operator<(const Dual& a, const Dual& b) { return a.value < b.value; }

  FN friend Dual exp(const Dual& a) {
    using math::exp;
    const S value = exp(a.value);
    return a.chained(value, value);
  }
  FN friend Dual atan(const Dual& a) {
    using std::atan;
    return a.chained(S(atan(a.value)), S(1.f) / (S(1.f) + a.value * a.value));
  }
  // Of equals, both count by half, as in PyTorch.
  FN friend Dual max(const Dual& a, const Dual& b) { return a > b ? a : b > a ? b : Dual(0.5f) * (a + b); }
  FN friend Dual min(const Dual& a, const Dual& b) { return a < b ? a : b < a ? b : Dual(0.5f) * (a + b); }

 private:
  FN Dual chained(const S& result, const S& derivative) const {
    Dual y(result);
    for (int k = 0; k < 4; ++k) y.slope[k] = derivative * slope[k];
    return y;
  }
};

}  // namespace fovea::kernels
