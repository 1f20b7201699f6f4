// y[p, q] = 1/9 Σ_{|r|, |s| <= 1} x[p + r, q + s], pixels outside being zero. x[h, w] is in y[p, q] with the weight
// with which x[p, q] is in y[h, w]: the map is its own transpose, so dx = average_pool(dy).
#include "kernels/average_pool.h"

#include "kernels/launch/launch.h"
#include "kernels/launch/pack.h"

namespace fovea::kernels {
namespace {

constexpr int kSide = 3, kTaps = kSide * kSide;

template <class T, bool ACCUMULATE>
struct AveragePool {
  AveragePoolShape shape;
  const T* x;
  T* y;

  struct AtRow {
    const T* tap[kTaps];
    bool inside[kTaps];
    T* y;
    template <int W>
    FOVEA_HD void operator()(int64_t c) const {
      float sum[W];
      for (int k = 0; k < W; ++k) sum[k] = 0;
      for (int t = 0; t < kTaps; ++t) {
        if (!inside[t]) continue;
        const auto value = load_pack<W>(tap[t] + c);
        for (int k = 0; k < W; ++k) sum[k] += static_cast<float>(value[k]);
      }
      Pack<T, W> out;
      if constexpr (ACCUMULATE) out = load_pack<W>(y + c);
      for (int k = 0; k < W; ++k) {
        const float average = sum[k] / kTaps;
        out[k] = static_cast<T>(ACCUMULATE ? static_cast<float>(out[k]) + average : average);
      }
      store_pack(y + c, out);
    }
  };

  FOVEA_HD AtRow row(int64_t row) const {
    const int pixel = static_cast<int>(row), q = pixel % shape.width, p = pixel / shape.width % shape.height;
    AtRow at{};
    at.y = y + row * shape.channels;
    for (int r = 0; r < kSide; ++r)
      for (int s = 0; s < kSide; ++s) {
        const int h = p + r - 1, w = q + s - 1, t = r * kSide + s;
        at.inside[t] = h >= 0 && h < shape.height && w >= 0 && w < shape.width;
        at.tap[t] = at.inside[t] ? x + (row + int64_t{r - 1} * shape.width + s - 1) * shape.channels : x;
      }
    return at;
  }
};

}  // namespace

template <class T>
void average_pool(Queue& queue, const AveragePoolShape& shape, const T* x, T* y, bool accumulate) {
  const bool aligned = all_aligned(16, x, y);
  if (accumulate)
    for_row_packs<kPackWidth<T>>(queue, "average_pool", shape.rows(), shape.channels, AveragePool<T, true>{shape, x, y},
                                 aligned);
  else
    for_row_packs<kPackWidth<T>>(queue, "average_pool", shape.rows(), shape.channels,
                                 AveragePool<T, false>{shape, x, y}, aligned);
}

#define INSTANTIATE(T) template void average_pool<T>(Queue&, const AveragePoolShape&, const T*, T*, bool);
INSTANTIATE(float)
INSTANTIATE(bfloat16)

}  // namespace fovea::kernels
