#include "engine/random.h"

#include "tests/support/catch.h"

using namespace fovea;

TEST_CASE("Philox gives the known answers of its authors", "[random]") {
  using Block = std::array<uint32_t, 4>;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const uint32_t f = 0xffffffff;
  CHECK(philox({f, f, f, f}, {f, f}) == Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("determinism: a stream depends on its name only", "[random]") {
  Random a(5, stream::kAugment, 2, 3), b(5, stream::kAugment, 2, 3), other(5, stream::kAugment, 3, 2);
  bool differs = false;
  for (int i = 0; i < 20; ++i) {
    const uint32_t value = a.next();
    CHECK(value == b.next());
    differs |= value != other.next();
  }
  CHECK(differs);
}

TEST_CASE("normal numbers have mean 0 and variance 1", "[random]") {
  Random random(1, stream::kInitialize);
  const int n = 100000;
  double sum = 0, squares = 0;
  for (int i = 0; i < n; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
  }
  // Standard errors are 1/sqrt(n) and sqrt(2/n); five of them.
  CHECK(std::abs(sum / n) < 5 / std::sqrt(n));
  CHECK(std::abs(squares / n - 1) < 5 * std::sqrt(2.0 / n));
}

TEST_CASE("a stream that skips numbers goes on behind them", "[random]") {
  for (const uint64_t skipped : {0, 1, 3, 4, 5, 4096, 8190}) {
    Random drawn(7, stream::kInitialize, 3), jumped = drawn;
    for (uint64_t i = 0; i < skipped; ++i) drawn.next();
    jumped.skip(skipped);
    for (int i = 0; i < 9; ++i) CHECK(jumped.next() == drawn.next());
  }
}
