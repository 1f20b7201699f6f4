// y = [x_1, x_2, …] along the channels: y[row, o_i + c] = x_i[row, c], and backward dx_i[row, c] (+)= dy[row, o_i + c].
#include "kernels/channel_slice.h"

#include "kernels/launch/launch.h"
#include "kernels/launch/pack.h"

namespace fovea::kernels {
namespace {

template <class T, bool ACCUMULATE>
struct CopyChannels {
  ChannelSlice<const T> from;
  ChannelSlice<T> to;

  struct AtRow {
    const T* from;
    T* to;
    template <int W>
    FOVEA_HD void operator()(int64_t c) const {
      const auto in = load_pack<W>(from + c);
      if constexpr (!ACCUMULATE) {
        store_pack(to + c, in);
      } else {
        auto out = load_pack<W>(to + c);
        for (int k = 0; k < W; ++k) out[k] = static_cast<T>(static_cast<float>(out[k]) + static_cast<float>(in[k]));
        store_pack(to + c, out);
      }
    }
  };
  FOVEA_HD AtRow row(int64_t row) const { return {from.data + row * from.stride, to.data + row * to.stride}; }
};

}  // namespace

template <class T>
void copy_channels(Queue& queue, int64_t rows, int64_t channels, const ChannelSlice<const T>& from,
                   const ChannelSlice<T>& to, bool accumulate) {
  const bool aligned =
      all_aligned(16, from.data, to.data) && from.stride % kPackWidth<T> == 0 && to.stride % kPackWidth<T> == 0;
  if (accumulate)
    for_row_packs<kPackWidth<T>>(queue, "copy_channels", rows, channels, CopyChannels<T, true>{from, to}, aligned);
  else
    for_row_packs<kPackWidth<T>>(queue, "copy_channels", rows, channels, CopyChannels<T, false>{from, to}, aligned);
}

#define INSTANTIATE(T) \
  template void copy_channels<T>(Queue&, int64_t, int64_t, const ChannelSlice<const T>&, const ChannelSlice<T>&, bool);
INSTANTIATE(float)
INSTANTIATE(bfloat16)

}  // namespace fovea::kernels
