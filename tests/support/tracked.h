// A float64 value that carries a bound on what the same operations in fp32 may have erred: running error analysis
// (Higham, Accuracy and Stability of Numerical Algorithms, 3.3), first order, in units of eps(float) = 2^−24. Run on
// it, a templated formula gives its own tolerance; the expected value comes from elsewhere.
#pragma once
#include <cmath>

#include "kernels/launch/math.h"
#include "tests/support/tolerance.h"

namespace fovea::test {

struct Tracked {
  double value = 0, error = 0;

  Tracked() = default;
  // A constant or an input, rounded to float: one rounding.
  Tracked(double v) : value(v), error(std::abs(v)) {}  // NOLINT(google-explicit-constructor)
  Tracked(double v, double e) : value(v), error(e) {}

  friend Tracked operator+(Tracked a, Tracked b) { return rounded(a.value + b.value, a.error + b.error); }
  friend Tracked operator-(Tracked a, Tracked b) { return rounded(a.value - b.value, a.error + b.error); }
  friend Tracked operator*(Tracked a, Tracked b) {
    return rounded(a.value * b.value, std::abs(a.value) * b.error + std::abs(b.value) * a.error);
  }
  friend Tracked operator/(Tracked a, Tracked b) {
    const double quotient = a.value / b.value;
    return rounded(quotient, (a.error + std::abs(quotient) * b.error) / std::abs(b.value));
  }
  friend bool operator<(Tracked a, Tracked b) { return a.value < b.value; }
  friend bool operator>(Tracked a, Tracked b) { return a.value > b.value; }
  friend Tracked exp(Tracked a) {
    const double y = std::exp(a.value);
    return {y, y * (a.error + math::kExpError * 0x1p24)};
  }
  friend Tracked log(Tracked a) {
    const double y = std::log(a.value);
    return {y, a.error / std::abs(a.value) + std::abs(y) * math::kLogError * 0x1p24};
  }
  friend Tracked atan(Tracked a) {  // libm's and CUDA's are within 2 ulp = 4 eps
    const double y = std::atan(a.value);
    return {y, a.error / (1 + a.value * a.value) + 4 * std::abs(y)};
  }

 private:
  static Tracked rounded(double v, double e) { return {v, e + std::abs(v)}; }
};

// What the first-order analysis leaves out: products of errors, small against the errors.
inline constexpr double kTrackedRoundings = 1.1;

}  // namespace fovea::test
