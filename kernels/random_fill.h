// Values as good as random for timing: the same at each place for each seed, on both targets. Never for training, whose
// randomness is engine/random.h.
#pragma once
#include <cstdint>

#include "kernels/device/queue.h"

namespace fovea::kernels {

// to[i], uniform in [-1, 1], T: float or bfloat16.
template <class T>
void fill_random(Queue& queue, int64_t count, uint32_t seed, T* to);

}  // namespace fovea::kernels
