// Counter-based random numbers: Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
// A stream is named by (seed, three words), so that what is drawn for an image depends on nothing else.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>

namespace fovea {

inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * counter[0], b = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

class Random {
 public:
  // `purpose`, `a`, `b` name the stream, e.g. (augmentation, epoch, image).
  Random(uint64_t seed, uint32_t purpose, uint32_t a = 0, uint32_t b = 0)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}, counter_{0, purpose, a, b} {}

  // At the start of a stream: as if so many numbers had been drawn already.
  void skip(uint64_t numbers) {
    counter_[0] += static_cast<uint32_t>(numbers / 4);
    for (uint64_t i = 0; i < numbers % 4; ++i) next();
  }
  uint32_t next() {
    if (used_ == 4) {
      block_ = philox(counter_, key_);
      ++counter_[0];
      used_ = 0;
    }
    return block_[used_++];
  }
  double uniform() { return next() * 0x1p-32; }  // [0, 1)
  // [0, n), n >= 1, without bias.
  uint32_t below(uint32_t n) {
    const uint32_t limit = UINT32_MAX - UINT32_MAX % n;
    uint32_t value = next();
    while (value >= limit) value = next();
    return value % n;
  }
  double normal() {  // Box and Muller 1958
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_, block_{};
  int used_ = 4;
};

// What a stream is for: the `purpose` of Random.
namespace stream {
inline constexpr uint32_t kInitialize = 1, kShuffle = 2, kAugment = 3, kBenchmark = 4, kBatchScale = 5, kSmoke = 6;
}

}  // namespace fovea
