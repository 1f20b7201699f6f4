// The order of training samples: endless epochs, each a permutation that depends on the seed and the epoch only.
#pragma once
#include <cstdint>
#include <vector>

namespace fovea {

class Sampler {
 public:
  Sampler(uint64_t seed, uint32_t samples) : seed_(seed), samples_(samples) {}

  struct Draw {
    uint32_t epoch, sample;
  };
  // The sample at position `index` of the endless sequence, counted from 0.
  Draw at(int64_t index);

 private:
  uint64_t seed_;
  uint32_t samples_;
  int64_t epoch_ = -1;  // the one that order_ is of
  std::vector<uint32_t> order_;
};

}  // namespace fovea
