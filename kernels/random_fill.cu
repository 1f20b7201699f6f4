// A hash of the place (the finalizer of MurmurHash3, which mixes all 32 bits), scaled to [-1, 1].
#include "kernels/random_fill.h"

#include "kernels/launch/launch.h"
#include "kernels/launch/pack.h"

namespace fovea::kernels {
namespace {

FOVEA_HD uint32_t mix(uint32_t h) {
  h = (h ^ (h >> 16)) * 0x85ebca6bu;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  return h ^ (h >> 16);
}

template <class T>
struct FillRandom {
  T* to;
  uint32_t seed;

  template <int W>
  FOVEA_HD void operator()(int64_t i) const {
    Pack<T, W> out;
    for (int k = 0; k < W; ++k) {
      const uint32_t bits = mix(static_cast<uint32_t>(i + k) ^ seed);
      out[k] = static_cast<T>(static_cast<float>(bits >> 8) * 0x1p-23f - 1.f);
    }
    store_pack(to + i, out);
  }
};

}  // namespace

template <class T>
void fill_random(Queue& queue, int64_t count, uint32_t seed, T* to) {
  for_each_pack<kPackWidth<T>>(queue, "fill_random", count, FillRandom<T>{to, seed}, all_aligned(16, to));
}

template void fill_random(Queue&, int64_t, uint32_t, float*);
template void fill_random(Queue&, int64_t, uint32_t, bfloat16*);

}  // namespace fovea::kernels
