// Values for timing: spread over their range, and the same for each place and seed.
#include "kernels/random_fill.h"

#include <cmath>
#include <cstring>

#include "kernels/launch/bfloat16.h"
#include "tests/support/catch.h"
#include "tests/support/seeded.h"

using namespace fovea;
using namespace fovea::test;

TEMPLATE_TEST_CASE("random values for timing fill [-1, 1] evenly, and are the same each time", "[random_fill]", float,
                   bfloat16) {
  constexpr int64_t kCount = 10007;
  constexpr int kBins = 16;
  std::vector<TestType> first;
  for_each_way_to_run([&](Queue& queue) {
    Guarded<TestType> to(kCount);
    kernels::fill_random(queue, kCount, 7, to.data());
    const auto values = to.values();
    if (first.empty()) first.assign(values.begin(), values.end());
    CHECK(std::memcmp(values.data(), first.data(), kCount * sizeof(TestType)) == 0);
  });
  std::vector<int> bins(kBins);
  for (const TestType value : first) {
    REQUIRE(std::abs(float(value)) <= 1);
    ++bins[std::min(kBins - 1, static_cast<int>((float(value) + 1) / 2 * kBins))];
  }
  // Six standard deviations of a binomial count. bf16's rounding at ±1, half of 2^-8, takes a 64th of a bin over an
  // edge, and as much over the other.
  const double mean = double(kCount) / kBins, spread = 6 * std::sqrt(mean) + mean / 32;
  for (const int bin : bins) CHECK(std::abs(bin - mean) < spread);
  Guarded<TestType> other(kCount);
  TestQueue queue;
  kernels::fill_random(queue, kCount, 8, other.data());
  CHECK(std::memcmp(other.values().data(), first.data(), kCount * sizeof(TestType)) != 0);
}
