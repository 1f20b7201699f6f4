#include "tools/data/loading/sampler.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace fovea {

namespace {
template <class T>
void shuffle(std::vector<T>& list, Random& random) {  // Fisher and Yates
  for (auto left = static_cast<uint32_t>(list.size()); left > 1; --left)
    std::swap(list[left - 1], list[random.below(left)]);
}
}  // namespace

Sampler::Draw Sampler::at(int64_t index) {
  const int64_t number = index / samples_;
  Epoch& epoch = epochs_[static_cast<size_t>(number % 2)];
  if (epoch.number != number) epoch = {number, order_of(number)};
  return {static_cast<uint32_t>(number), epoch.order[static_cast<size_t>(index % samples_)]};
}

std::vector<uint32_t> Sampler::order_of(int64_t epoch) const {
  std::vector<uint32_t> order(samples_);
  std::iota(order.begin(), order.end(), 0u);
  Random random(seed_, stream::kShuffle, static_cast<uint32_t>(epoch));
  shuffle(order, random);
  if (!groups_.of.empty()) group_batches(order, epoch, random);
  return order;
}

void Sampler::group_batches(std::vector<uint32_t>& order, int64_t epoch, Random& random) const {
  // The first and the last samples of an epoch belong to batches that it shares with its neighbors.
  const int64_t batch = groups_.batch, count = samples_;
  const int64_t head = (batch - epoch * count % batch) % batch;
  if (head + batch > count) return;  // no batch lies in this epoch alone
  const auto shared = static_cast<size_t>(head + (count - head) % batch);

  std::vector<std::vector<uint32_t>> batches, waiting(*std::max_element(groups_.of.begin(), groups_.of.end()) + 1);
  for (const uint32_t sample : order) {
    auto& group = waiting[groups_.of[sample]];
    group.push_back(sample);
    if (group.size() == static_cast<size_t>(batch)) batches.push_back(std::exchange(group, {}));
  }
  std::vector<uint32_t> rest;
  for (const auto& group : waiting) rest.insert(rest.end(), group.begin(), group.end());
  if (rest.size() < shared) {
    rest.insert(rest.end(), batches.back().begin(), batches.back().end());
    batches.pop_back();
  }
  for (auto from = rest.begin() + static_cast<int64_t>(shared); from != rest.end(); from += batch)
    batches.emplace_back(from, from + batch);
  shuffle(batches, random);

  auto out = std::copy(rest.begin(), rest.begin() + head, order.begin());
  for (const auto& samples : batches) out = std::copy(samples.begin(), samples.end(), out);
  std::copy(rest.begin() + head, rest.begin() + static_cast<int64_t>(shared), out);
}

}  // namespace fovea
