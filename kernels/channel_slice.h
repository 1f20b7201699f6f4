// Channels of NHWC images to and from a slice of the channels of others: what concatenation is made of.
#pragma once
#include <cstdint>

#include "kernels/device/queue.h"

namespace fovea::kernels {

// Pixels whose channels lie `stride` elements apart.
template <class T>
struct ChannelSlice {
  T* data = nullptr;
  int64_t stride = 0;
};

// to[row, c] (+)= from[row, c] for c < channels.
template <class T>
void copy_channels(Queue& queue, int64_t rows, int64_t channels, const ChannelSlice<const T>& from,
                   const ChannelSlice<T>& to, bool accumulate);

}  // namespace fovea::kernels
