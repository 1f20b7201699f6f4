// The project's one rule for floating-point agreement. A float64 oracle gives, for every element, `ref` and
// `mag` = Σ |terms| that were added up to it; with c = the roundings on the longest chain of the code under test,
//   |out − ref| <= eps(T_out)·|ref| + c·eps(T_acc)·mag
// Every element must pass. NaN agrees with NaN only, infinity with the same infinity only.
#pragma once
#include <cmath>
#include <limits>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "kernels/launch/bfloat16.h"

namespace fovea::test {

struct Reference {
  std::vector<double> ref, mag;
  explicit Reference(size_t n = 0) : ref(n, 0.0), mag(n, 0.0) {}
  size_t size() const { return ref.size(); }
  // Adds one term of the sum that defines element i.
  void add(size_t i, double term) {
    ref[i] += term;
    mag[i] += std::abs(term);
  }
};

inline std::vector<double> to_double(const auto& values) { return {values.begin(), values.end()}; }

template <class T>
constexpr double epsilon_of();  // the relative error of rounding to nearest
template <>
constexpr double epsilon_of<double>() {
  return 0x1p-53;
}
template <>
constexpr double epsilon_of<float>() {
  return 0x1p-24;
}
template <>
constexpr double epsilon_of<bfloat16>() {
  return 0x1p-8;
}

// Empty where all elements agree; else the first that does not, in words.
template <class T>
std::string disagreement(std::span<const T> out, const Reference& expected, double roundings,
                         double eps_acc = epsilon_of<float>()) {
  if (out.size() != expected.size())
    return "sizes differ: " + std::to_string(out.size()) + " and " + std::to_string(expected.size());
  for (size_t i = 0; i < out.size(); ++i) {
    const double value = static_cast<double>(out[i]), ref = expected.ref[i];
    const double bound = epsilon_of<T>() * std::abs(ref) + roundings * eps_acc * expected.mag[i] +
                         std::numeric_limits<float>::denorm_min();
    const bool agrees =
        std::isfinite(ref) ? std::abs(value - ref) <= bound : (std::isnan(ref) ? std::isnan(value) : value == ref);
    if (agrees) continue;
    std::ostringstream text;
    text.precision(10);
    text << "element " << i << " of " << out.size() << ": " << value << ", expected " << ref << " within " << bound
         << " (error " << value - ref << ")";
    return text.str();
  }
  return "";
}

}  // namespace fovea::test

// CHECK_CLOSE(span or vector, Reference, roundings): the rule above, as one Catch assertion.
#define CHECK_CLOSE(out, expected, roundings)                                                                       \
  CHECK(fovea::test::disagreement(std::span<const typename std::decay_t<decltype(out)>::value_type>(out), expected, \
                                  roundings) == "")
