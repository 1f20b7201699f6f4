// A number with its derivatives by four inputs (forward mode): a formula written once gives its value and its gradient.
#pragma once
#include <cmath>
#include <type_traits>

#include "kernels/launch/function.h"
#include "kernels/launch/math.h"

namespace fovea::kernels {

template <class S>  // float
struct Dual {
  S value, derivative[4];

  template <class C>
    requires std::is_convertible_v<C, S>
  FOVEA_HD Dual(C constant) : value(constant), derivative{} {}  // NOLINT(google-explicit-constructor)
  FOVEA_HD static Dual input(const S& v, int index) {
    Dual x(v);
    x.derivative[index] = S(1.f);
    return x;
  }

  FOVEA_HD friend Dual operator+(Dual a, const Dual& b) {
    a.value = a.value + b.value;
    for (int k = 0; k < 4; ++k) a.derivative[k] = a.derivative[k] + b.derivative[k];
    return a;
  }
  FOVEA_HD friend Dual operator-(Dual a, const Dual& b) {
    a.value = a.value - b.value;
    for (int k = 0; k < 4; ++k) a.derivative[k] = a.derivative[k] - b.derivative[k];
    return a;
  }
  FOVEA_HD friend Dual operator*(const Dual& a, const Dual& b) {
    Dual y(a.value * b.value);
    for (int k = 0; k < 4; ++k) y.derivative[k] = a.derivative[k] * b.value + a.value * b.derivative[k];
    return y;
  }
  FOVEA_HD friend Dual operator/(const Dual& a, const Dual& b) {
    Dual y(a.value / b.value);
    for (int k = 0; k < 4; ++k) y.derivative[k] = (a.derivative[k] - y.value * b.derivative[k]) / b.value;
    return y;
  }
  FOVEA_HD friend bool operator>(const Dual& a, const Dual& b) { return a.value > b.value; }
  FOVEA_HD friend bool operator<(const Dual& a, const Dual& b) { return a.value < b.value; }

  FOVEA_HD friend Dual exp(const Dual& a) {
    using math::exp;
    const S value = exp(a.value);
    return a.chained(value, value);
  }
  FOVEA_HD friend Dual atan(const Dual& a) {
    using std::atan;
    return a.chained(S(atan(a.value)), S(1.f) / (S(1.f) + a.value * a.value));
  }
  // Of equals, both count by half, as in PyTorch.
  FOVEA_HD friend Dual max(const Dual& a, const Dual& b) { return a > b ? a : b > a ? b : Dual(0.5f) * (a + b); }
  FOVEA_HD friend Dual min(const Dual& a, const Dual& b) { return a < b ? a : b < a ? b : Dual(0.5f) * (a + b); }

 private:
  FOVEA_HD Dual chained(const S& result, const S& outer) const {
    Dual y(result);
    for (int k = 0; k < 4; ++k) y.derivative[k] = outer * derivative[k];
    return y;
  }
};

}  // namespace fovea::kernels
