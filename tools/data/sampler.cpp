#include "tools/data/sampler.h"

#include <numeric>
#include <utility>

#include "engine/random.h"

namespace fovea {

Sampler::Draw Sampler::at(int64_t index) {
  const int64_t epoch = index / samples_;
  if (epoch != epoch_) {
    epoch_ = epoch;
    order_.resize(samples_);
    std::iota(order_.begin(), order_.end(), 0u);
    Random random(seed_, stream::kShuffle, static_cast<uint32_t>(epoch));
    for (uint32_t left = samples_; left > 1; --left)
      std::swap(order_[left - 1], order_[random.below(left)]);  // Fisher and Yates
  }
  return {static_cast<uint32_t>(epoch), order_[static_cast<size_t>(index % samples_)]};
}

}  // namespace fovea
