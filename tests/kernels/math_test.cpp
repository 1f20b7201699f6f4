// exp, log, log1p and sigmoid hold their stated relative errors over the whole range of float, against double's libm.
#include "kernels/launch/math.h"

#include <cmath>
#include <limits>

#include "tests/support/catch.h"

using namespace fovea;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The largest |f(x) − exact(x)| / |exact(x)| over floats of [low, high] (both of one sign), every `step`-th.
template <class F, class Exact>
double worst_error(float low, float high, uint32_t step, F f, Exact exact) {
  if (std::abs(low) > std::abs(high)) std::swap(low, high);
  double worst = 0;
  const uint32_t last = std::bit_cast<uint32_t>(high);
  for (uint32_t bits = std::bit_cast<uint32_t>(low); bits <= last && last - bits >= step; bits += step) {
    const float x = std::bit_cast<float>(bits);
    const double reference = exact(double{x});
    const double error = std::abs(double{f(x)} - reference) / std::abs(reference);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

}  // namespace

TEST_CASE("exp holds its relative error wherever the result is normal", "[math]") {
  const auto exact = [](double x) { return std::exp(x); };
  CHECK(worst_error(0.f, 88.72f, 1009, [](float x) { return math::exp(x); }, exact) <= math::kExpError);
  CHECK(worst_error(-0.f, -86.64f, 1009, [](float x) { return math::exp(x); }, exact) <= math::kExpError);
  CHECK(math::exp(0.f) == 1.f);
  CHECK(std::isfinite(math::exp(88.72f)));
  CHECK(math::exp(88.73f) == kInfinity);
  CHECK(math::exp(kInfinity) == kInfinity);
  CHECK(math::exp(-87.f) == 0.f);
  CHECK(math::exp(-1e30f) == 0.f);
  CHECK(math::exp(-kInfinity) == 0.f);
  CHECK(std::isnan(math::exp(NAN)));
}

TEST_CASE("log holds its relative error from the denormals up", "[math]") {
  const auto exact = [](double x) { return std::log(x); };
  const auto log = [](float x) { return math::log(x); };
  CHECK(worst_error(1e-45f, 1.1e-38f, 1009, log, exact) <= math::kLogError);
  CHECK(worst_error(1.18e-38f, 0.5f, 1009, log, exact) <= math::kLogError);
  CHECK(worst_error(0.5f, 0.99999994f, 1, log, exact) <= math::kLogError);
  CHECK(worst_error(1.0000001f, 2.f, 1, log, exact) <= math::kLogError);
  CHECK(worst_error(2.f, std::numeric_limits<float>::max(), 1009, log, exact) <= math::kLogError);
  CHECK(math::log(1.f) == 0.f);
  CHECK(math::log(0.f) == -kInfinity);
  CHECK(math::log(kInfinity) == kInfinity);
  CHECK(std::isnan(math::log(-1.f)));
  CHECK(std::isnan(math::log(-kInfinity)));
  CHECK(std::isnan(math::log(NAN)));
}

TEST_CASE("log1p holds its relative error on 0 to 1", "[math]") {
  CHECK(worst_error(
            1e-38f, 1.f, 499, [](float x) { return math::log1p(x); }, [](double x) { return std::log1p(x); }) <=
        math::kLog1pError);
  CHECK(math::log1p(0.f) == 0.f);
  CHECK(std::isnan(math::log1p(NAN)));
}

TEST_CASE("sigmoid holds its relative error and reaches its limits", "[math]") {
  const auto exact = [](double x) { return 1 / (1 + std::exp(-x)); };
  const auto sigmoid = [](float x) { return math::sigmoid(x); };
  CHECK(worst_error(0.f, 200.f, 1009, sigmoid, exact) <= math::kSigmoidError);
  CHECK(worst_error(-0.f, -86.64f, 1009, sigmoid, exact) <= math::kSigmoidError);
  CHECK(math::sigmoid(0.f) == 0.5f);
  CHECK(math::sigmoid(60.f) == 1.f);
  CHECK(math::sigmoid(kInfinity) == 1.f);
  CHECK(math::sigmoid(-200.f) == 0.f);
  CHECK(math::sigmoid(-kInfinity) == 0.f);
  CHECK(std::isnan(math::sigmoid(NAN)));
}
