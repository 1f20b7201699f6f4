// Half precision, against a search through all halves in float64.
#include "engine/half.h"

#include <algorithm>
#include <vector>

#include "tests/support/catch.h"

using namespace fovea;

namespace {

// By the format's definition.
double value_of(uint32_t half) {
  const int exponent = static_cast<int>(half >> 10 & 31);
  const double fraction = (half & 1023) / 1024.0;
  return exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1 + fraction, exponent - 15);
}

constexpr uint32_t kInfinity = 0x7c00;

// The nearest one of a number ≥ 0, of two that are as near the even one. Infinity lies where the next half would.
uint32_t nearest(double number) {
  uint32_t low = 0, high = kInfinity;
  while (high - low > 1) {
    const uint32_t middle = (low + high) / 2;
    (value_of(middle) <= number ? low : high) = middle;
  }
  const double below = number - value_of(low), above = value_of(high) - number;
  if (below != above) return below < above ? low : high;
  return low % 2 == 0 ? low : high;
}

}  // namespace

TEST_CASE("each half is a float, and that float the half again", "[half]") {
  int wrong = 0;
  for (uint32_t half = 0; half < kInfinity; ++half) {
    const float value = float_of_half(static_cast<uint16_t>(half));
    wrong += static_cast<double>(value) != value_of(half) || half_of_float(value) != half ||
             half_of_float(-value) != (half | 0x8000u);
  }
  CHECK(wrong == 0);
  CHECK(half_of_float(INFINITY) == kInfinity);
  CHECK(half_of_float(-INFINITY) == (kInfinity | 0x8000u));
  CHECK(float_of_half(0xfc00) == -INFINITY);
  CHECK(std::isnan(float_of_half(half_of_float(NAN))));
  CHECK(std::isnan(float_of_half(0x7c01)));
}

TEST_CASE("a float becomes the nearest half, of two that are as near the even one", "[half]") {
  int wrong = 0;
  const auto check = [&](float value) {
    if (value >= 0 && std::isfinite(value)) wrong += half_of_float(value) != nearest(static_cast<double>(value));
  };
  for (uint32_t half = 0; half < kInfinity; ++half) {  // each middle of two halves is a float: it and its neighbors
    const auto middle = static_cast<float>((value_of(half) + value_of(half + 1)) / 2);
    for (const float value : {std::nextafter(middle, 0.f), middle, std::nextafter(middle, INFINITY)}) check(value);
  }
  CHECK(wrong == 0);
  CHECK(half_of_float(65519.996f) == 0x7bff);
  CHECK(half_of_float(65520.f) == kInfinity);
  CHECK(half_of_float(1e-10f) == 0);
}
