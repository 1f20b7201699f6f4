#include "tools/data/loading/sampler.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "tests/support/catch.h"

using namespace fovea;

namespace {

std::vector<uint32_t> order(uint32_t samples, uint64_t seed, uint32_t epoch) {
  Sampler sampler(seed, samples);
  std::vector<uint32_t> out;
  for (uint32_t i = 0; i < samples; ++i) out.push_back(sampler.at(int64_t{epoch} * samples + i).sample);
  return out;
}

}  // namespace

TEST_CASE("an epoch visits every sample once", "[sampler]") {
  for (uint32_t samples = 1; samples <= 300; ++samples) {
    auto visited = order(samples, 1, samples % 5);
    std::sort(visited.begin(), visited.end());
    for (uint32_t i = 0; i < samples; ++i) REQUIRE(visited[i] == i);
  }
}

TEST_CASE("the order depends on seed and epoch", "[sampler]") {
  const auto reference = order(294, 7, 0);
  CHECK(order(294, 7, 0) == reference);
  CHECK(order(294, 7, 1) != reference);
  CHECK(order(294, 8, 0) != reference);
  CHECK(order(294, 7 + (uint64_t{1} << 32), 0) != reference);
}

TEST_CASE("determinism: the order is the one that resumed runs rely on", "[sampler][determinism][resume]") {
  // By an independent program: Philox 4x32-10 of (block, 2, epoch, 0), Fisher and Yates from the end.
  CHECK(order(10, 7, 0) == std::vector<uint32_t>{1, 6, 7, 9, 8, 4, 2, 5, 0, 3});
  CHECK(order(10, 7, 1) == std::vector<uint32_t>{4, 6, 7, 5, 1, 3, 9, 2, 0, 8});
  CHECK(order(13, (uint64_t{3} << 32) | 7, 5) == std::vector<uint32_t>{11, 0, 1, 12, 8, 9, 4, 5, 7, 10, 6, 3, 2});
}

TEST_CASE("a position gives the same sample whatever was asked before", "[sampler]") {
  Sampler sampler(7, 10);
  const auto far = sampler.at(123456789), near = sampler.at(3);
  CHECK(far.epoch == 12345678);
  CHECK(near.sample == order(10, 7, 0)[3]);
  CHECK(sampler.at(123456789).sample == far.sample);
  CHECK(order(10, 7, 12345678)[9] == far.sample);
}

TEST_CASE("every sample is equally likely at every position, and after every other", "[sampler]") {
  // Chi-square over 12,000 epochs of 12 samples: mean = degrees of freedom (121 and 110), deviation √(2·dof) ≈ 15.6;
  // five of them.
  constexpr uint32_t n = 12, epochs = 12000;
  std::vector<double> place(n * n), pair(n * n);
  Sampler sampler(3, n);
  for (uint32_t epoch = 0; epoch < epochs; ++epoch) {
    uint32_t before = 0;
    for (uint32_t i = 0; i < n; ++i) {
      const uint32_t sample = sampler.at(int64_t{epoch} * n + i).sample;
      ++place[i * n + sample];
      if (i > 0) ++pair[before * n + sample];
      before = sample;
    }
  }
  double place_chi2 = 0, pair_chi2 = 0;
  const double expected =
      epochs / static_cast<double>(n);  // of each place; likewise of each ordered pair: epochs · 11 / (12 · 11)
  for (uint32_t i = 0; i < n * n; ++i) {
    place_chi2 += std::pow(place[i] - expected, 2) / expected;
    if (i % (n + 1) != 0) pair_chi2 += std::pow(pair[i] - expected, 2) / expected;
  }
  CHECK(std::abs(place_chi2 - 121) < 5 * std::sqrt(2 * 121.0));
  CHECK(std::abs(pair_chi2 - 110) < 5 * std::sqrt(2 * 110.0));
}
