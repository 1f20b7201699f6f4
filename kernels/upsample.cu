// y[h, w] = lateral[h, w] + coarse[source(h), source(w)],  source(d) = min(floor(d · (in / out)), in − 1) in fp32, as
// F.interpolate(mode="nearest").  dcoarse[s] = Σ dy[d] over source(d) = s: d rises with s, so that these are a run of
// pixels, which is gathered: nothing is added atomically.
#include "kernels/upsample.h"

#include "kernels/launch/launch.h"
#include "kernels/launch/pack.h"

namespace fovea::kernels {
namespace {

// The least d whose source is >= s; `out` if there is none.
FOVEA_HD int first_destination(int s, int in, int out) {
  int d =
      static_cast<int>(int64_t{s} * out / in) - 1;  // rounding in upsample_source() never takes more than one from it
  d = d < 0 ? 0 : d;
  while (d < out && upsample_source(d, in, out) < s) ++d;
  return d;
}

template <class T, bool LATERAL>
struct UpsampleAdd {
  UpsampleShape shape;
  const T *coarse, *lateral;
  T* y;

  struct AtRow {
    const T *coarse, *lateral;
    T* y;
    template <int W>
    FOVEA_HD void operator()(int64_t c) const {
      auto value = load_pack<W>(coarse + c);
      if constexpr (LATERAL) {
        const auto add = load_pack<W>(lateral + c);
        for (int k = 0; k < W; ++k)
          value[k] = static_cast<T>(static_cast<float>(value[k]) + static_cast<float>(add[k]));
      }
      store_pack(y + c, value);
    }
  };
  FOVEA_HD AtRow row(int64_t row) const {
    const int pixel = static_cast<int>(row), w = pixel % shape.out_w, h = pixel / shape.out_w % shape.out_h;
    const int64_t image = pixel / shape.out_w / shape.out_h;
    const int64_t from = (image * shape.in_h + upsample_source(h, shape.in_h, shape.out_h)) * shape.in_w +
                         upsample_source(w, shape.in_w, shape.out_w);
    return {coarse + from * shape.channels, LATERAL ? lateral + row * shape.channels : nullptr,
            y + row * shape.channels};
  }
};

template <class T, bool ACCUMULATE>
struct UpsampleBackward {
  static constexpr int kCpuPack = 64;
  UpsampleShape shape;
  const T* dy;
  T* dcoarse;

  struct AtRow {
    const T* dy;  // of the first pixel
    T* dcoarse;
    int height, width;  // of the run
    int64_t pixel_stride, row_stride;
    template <int W>
    FOVEA_HD void operator()(int64_t c) const {
      float sum[W];
      for (int k = 0; k < W; ++k) sum[k] = 0;
      for (int h = 0; h < height; ++h)
        for (int w = 0; w < width; ++w) {
          const auto gradient = load_pack<W>(dy + h * row_stride + w * pixel_stride + c);
          for (int k = 0; k < W; ++k) sum[k] += gradient[k];
        }
      Pack<T, W> out;
      if constexpr (ACCUMULATE) out = load_pack<W>(dcoarse + c);
      for (int k = 0; k < W; ++k) out[k] = static_cast<T>(ACCUMULATE ? out[k] + sum[k] : sum[k]);
      store_pack(dcoarse + c, out);
    }
  };
  FOVEA_HD AtRow row(int64_t row) const {
    const int pixel = static_cast<int>(row), w = pixel % shape.in_w, h = pixel / shape.in_w % shape.in_h;
    const int64_t image = pixel / shape.in_w / shape.in_h;
    const int top = first_destination(h, shape.in_h, shape.out_h);
    const int left = first_destination(w, shape.in_w, shape.out_w);
    return {dy + ((image * shape.out_h + top) * shape.out_w + left) * shape.channels,
            dcoarse + row * shape.channels,
            first_destination(h + 1, shape.in_h, shape.out_h) - top,
            first_destination(w + 1, shape.in_w, shape.out_w) - left,
            shape.channels,
            int64_t{shape.out_w} * shape.channels};
  }
};

}  // namespace

template <class T>
void upsample_add(Queue& queue, const UpsampleShape& shape, const T* coarse, const T* lateral, T* y) {
  const int64_t rows = int64_t{shape.batch} * shape.out_h * shape.out_w;
  const bool aligned = all_aligned(16, coarse, lateral, y);
  if (lateral != nullptr)
    for_row_packs<kPackWidth<T>>(queue, "upsample_add", rows, shape.channels,
                                 UpsampleAdd<T, true>{shape, coarse, lateral, y}, aligned);
  else
    for_row_packs<kPackWidth<T>>(queue, "upsample", rows, shape.channels,
                                 UpsampleAdd<T, false>{shape, coarse, nullptr, y}, aligned);
}

template <class T>
void upsample_backward(Queue& queue, const UpsampleShape& shape, const T* dy, T* dcoarse, bool accumulate) {
  const int64_t rows = int64_t{shape.batch} * shape.in_h * shape.in_w;
  const bool aligned = all_aligned(16, dy, dcoarse);
  if (accumulate)
    for_row_packs<kPackWidth<T>>(queue, "upsample_backward", rows, shape.channels,
                                 UpsampleBackward<T, true>{shape, dy, dcoarse}, aligned);
  else
    for_row_packs<kPackWidth<T>>(queue, "upsample_backward", rows, shape.channels,
                                 UpsampleBackward<T, false>{shape, dy, dcoarse}, aligned);
}

#define INSTANTIATE(T)                                                                 \
  template void upsample_add<T>(Queue&, const UpsampleShape&, const T*, const T*, T*); \
  template void upsample_backward<T>(Queue&, const UpsampleShape&, const T*, T*, bool);
INSTANTIATE(float)
INSTANTIATE(bfloat16)

}  // namespace fovea::kernels
