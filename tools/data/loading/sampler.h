// The order of training samples: endless epochs, each a permutation that depends on the seed and the epoch only.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "engine/random.h"

namespace fovea {

// Samples that should share batches.
struct SampleGroups {
  std::vector<uint32_t> of;  // the group of each sample; empty: there are none
  int64_t batch = 1;         // samples a batch, of all ranks
};

class Sampler {
 public:
  // With groups, batches (positions batch · k …) are of one group each, but for a few an epoch: those of what is left
  // of neighboring groups, and the one that two epochs share.
  Sampler(uint64_t seed, uint32_t samples, SampleGroups groups = {})
      : seed_(seed), samples_(samples), groups_(std::move(groups)) {}

  struct Draw {
    uint32_t epoch, sample;
  };
  // The sample at position `index` of the endless sequence, counted from 0.
  Draw at(int64_t index);

 private:
  struct Epoch {
    int64_t number = -1;
    std::vector<uint32_t> order;
  };
  std::vector<uint32_t> order_of(int64_t epoch) const;
  void group_batches(std::vector<uint32_t>& order, int64_t epoch, Random& random) const;

  uint64_t seed_;
  uint32_t samples_;
  SampleGroups groups_;
  std::array<Epoch, 2> epochs_;  // a batch may hold the end of one and the beginning of the next
};

}  // namespace fovea
