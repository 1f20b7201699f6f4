// Ranking by score: keys that order candidates, and the selection of the best of them within one block.
#pragma once
#include <bit>
#include <cstdint>

#include "kernels/launch/atomic.h"
#include "kernels/launch/function.h"

namespace fovea::kernels {

// Greater = better: a higher score or, of equal scores, the lower index. All keys of one list differ, so that neither
// the order in which a list was filled nor that in which it is read matters. 0 is no key.
FOVEA_HD uint64_t candidate_key(float score, uint32_t index) {
  const uint32_t bits = std::bit_cast<uint32_t>(score + 0.f);  // −0 is 0
  const uint32_t ordered = bits ^ ((bits >> 31) != 0 ? 0xffffffffu : 0x80000000u);
  return uint64_t{ordered} << 32 | (0xffffffffu - index);
}
FOVEA_HD float score_of(uint64_t key) {
  const uint32_t ordered = static_cast<uint32_t>(key >> 32);
  return std::bit_cast<float>(ordered ^ ((ordered >> 31) != 0 ? 0x80000000u : 0xffffffffu));
}
FOVEA_HD uint32_t index_of(uint64_t key) { return 0xffffffffu - static_cast<uint32_t>(key); }

struct SelectShared {
  int32_t count[256];
  uint64_t prefix;
  int32_t rest, exact;
};

// A bound that exactly `wanted` of a list's keys reach (>=): radix selection, a byte a pass from the top, most often
// two to four passes. `visit(f)` calls f(key) for this thread's share of the list; there are more than `wanted` keys.
template <class Block, class Visit>
FOVEA_HD uint64_t bound_of_best(Block& block, SelectShared& shared, int wanted, const Visit& visit) {
  uint64_t prefix = 0;
  int rest = wanted;  // to be found among the keys that begin with `prefix`
  for (int shift = 56;; shift -= 8) {
    for (int digit = block.thread(); digit < 256; digit += block.size()) shared.count[digit] = 0;
    block.sync();
    visit([&](uint64_t key) {
      if ((key ^ prefix) >> shift >> 8 == 0) atomic_add(shared.count + ((key >> shift) & 255), 1);
    });
    block.sync();
    if (block.thread() == 0) {
      int digit = 255;
      for (; shared.count[digit] < rest; --digit) rest -= shared.count[digit];
      shared.prefix = prefix | uint64_t(digit) << shift;
      shared.rest = rest;
      shared.exact = shared.count[digit] == rest;
    }
    block.sync();
    prefix = shared.prefix;
    rest = shared.rest;
    if (shared.exact != 0) return prefix;  // keys differ, so the last byte at the latest is exact
  }
}

}  // namespace fovea::kernels
