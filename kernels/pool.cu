// y[p, q] = max over the taps (r, s) of x[2p − pad + r, 2q − pad + s];  dx[h, w] = Σ dy over the windows whose maximum
// it was. Taps beyond the border are moved to the nearest pixel inside, which the window holds as well: the maximum
// stays. The forward pass stores one byte a window, the tap: finding it again would read nine pixels a window, up to
// four windows a pixel. The backward pass gathers, so nothing is added atomically and every dx is written once.
#include "kernels/pool.h"

#include "kernels/error.h"
#include "kernels/launch/launch.h"
#include "kernels/launch/math.h"
#include "kernels/launch/pack.h"

namespace fovea::kernels {
namespace {

constexpr int kStride = 2;

template <class T, int K, bool ARGMAX>
struct MaxPoolForward {
  PoolShape shape;
  const T* x;
  T* y;
  uint8_t* argmax;

  struct AtRow {
    const T* tap[K * K];
    uint8_t code[K * K];
    T* y;
    uint8_t* argmax;
    template <int W>
    FOVEA_HD void operator()(int64_t c) const {
      Pack<T, W> best = load_pack<W>(tap[0] + c);
      Pack<uint8_t, W> where;
      for (int k = 0; k < W; ++k) where[k] = code[0];
      for (int t = 1; t < K * K; ++t) {
        const auto value = load_pack<W>(tap[t] + c);
        for (int k = 0; k < W; ++k) {
          const float v = value[k];
          const bool wins = v > best[k] || v != v;
          best[k] = wins ? value[k] : best[k];
          where[k] = wins ? code[t] : where[k];
        }
      }
      store_pack(y + c, best);
      if constexpr (ARGMAX) store_pack(argmax + c, where);
    }
  };

  FOVEA_HD AtRow row(int64_t row) const {
    const int i = static_cast<int>(row), q = i % shape.out_w(), p = i / shape.out_w() % shape.out_h();
    const int64_t image = i / shape.out_w() / shape.out_h();
    const int top = p * kStride - shape.pad, left = q * kStride - shape.pad;
    AtRow at{};
    at.y = y + row * shape.channels;
    at.argmax = ARGMAX ? argmax + row * shape.channels : nullptr;
    for (int r = 0; r < K; ++r)
      for (int s = 0; s < K; ++s) {
        const int h = clamp(top + r, shape.in_h), w = clamp(left + s, shape.in_w);
        at.tap[r * K + s] = x + ((image * shape.in_h + h) * shape.in_w + w) * shape.channels;
        at.code[r * K + s] = static_cast<uint8_t>((h - top) * K + w - left);
      }
    return at;
  }
  FOVEA_HD static int clamp(int i, int size) { return i < 0 ? 0 : i < size ? i : size - 1; }
};

template <class T, int K, bool ACCUMULATE>
struct MaxPoolBackward {
  static constexpr int kSide = ceil_div(K, kStride);  // windows that hold a pixel, a side
  static constexpr uint8_t kNone = 255;
  static constexpr int kCpuPack = 64;
  PoolShape shape;
  const uint8_t* argmax;
  const T* dy;
  T* dx;

  struct AtRow {
    const T* dy[kSide * kSide];
    const uint8_t* argmax[kSide * kSide];
    uint8_t code[kSide * kSide];  // the tap that this pixel is of the window; kNone: not in it
    T* dx;
    template <int W>
    FOVEA_HD void operator()(int64_t c) const {
      float sum[W];
      for (int k = 0; k < W; ++k) sum[k] = 0;
      for (int t = 0; t < kSide * kSide; ++t) {
        const auto gradient = load_pack<W>(dy[t] + c);
        const auto where = load_pack<W>(argmax[t] + c);
        for (int k = 0; k < W; ++k) sum[k] += where[k] == code[t] ? static_cast<float>(gradient[k]) : 0.f;
      }
      Pack<T, W> out;
      if constexpr (ACCUMULATE) out = load_pack<W>(dx + c);
      for (int k = 0; k < W; ++k) out[k] = static_cast<T>(ACCUMULATE ? out[k] + sum[k] : sum[k]);
      store_pack(dx + c, out);
    }
  };

  FOVEA_HD AtRow row(int64_t row) const {
    const int pixel = static_cast<int>(row), w = pixel % shape.in_w, h = pixel / shape.in_w % shape.in_h;
    const int64_t image = pixel / shape.in_w / shape.in_h;
    AtRow at{};
    at.dx = dx + row * shape.channels;
    for (int i = 0; i < kSide; ++i)
      for (int j = 0; j < kSide; ++j) {
        const int p = (h + shape.pad) / kStride - i, q = (w + shape.pad) / kStride - j;
        const int r = h + shape.pad - p * kStride, s = w + shape.pad - q * kStride;
        const bool inside = p >= 0 && p < shape.out_h() && q >= 0 && q < shape.out_w() && r < K && s < K;
        const int64_t window = inside ? (image * shape.out_h() + p) * shape.out_w() + q : 0;
        const int t = i * kSide + j;
        at.dy[t] = dy + window * shape.channels;
        at.argmax[t] = argmax + window * shape.channels;
        at.code[t] = inside ? static_cast<uint8_t>(r * K + s) : kNone;
      }
    return at;
  }
};

template <int K, class T>
void forward(Queue& queue, const PoolShape& shape, const T* x, T* y, uint8_t* argmax) {
  const int64_t rows = int64_t{shape.batch} * shape.out_h() * shape.out_w();
  const bool aligned = all_aligned(16, x, y, argmax);
  if (argmax != nullptr)
    for_row_packs<kPackWidth<T>>(queue, "max_pool_forward", rows, shape.channels,
                                 MaxPoolForward<T, K, true>{shape, x, y, argmax}, aligned);
  else
    for_row_packs<kPackWidth<T>>(queue, "max_pool_forward", rows, shape.channels,
                                 MaxPoolForward<T, K, false>{shape, x, y, nullptr}, aligned);
}

template <int K, class T>
void backward(Queue& queue, const PoolShape& shape, const uint8_t* argmax, const T* dy, T* dx, bool accumulate) {
  const int64_t rows = int64_t{shape.batch} * shape.in_h * shape.in_w;
  const bool aligned = all_aligned(16, argmax, dy, dx);
  if (accumulate)
    for_row_packs<kPackWidth<T>>(queue, "max_pool_backward", rows, shape.channels,
                                 MaxPoolBackward<T, K, true>{shape, argmax, dy, dx}, aligned);
  else
    for_row_packs<kPackWidth<T>>(queue, "max_pool_backward", rows, shape.channels,
                                 MaxPoolBackward<T, K, false>{shape, argmax, dy, dx}, aligned);
}

void check(const PoolShape& shape) {
  require(shape.kernel == 2 ? shape.pad == 0 : shape.kernel == 3 && (shape.pad == 0 || shape.pad == 1),
          "max pooling needs a kernel of 3x3, padded by 1 or not, or of 2x2, not padded");
}

}  // namespace

template <class T>
void max_pool_forward(Queue& queue, const PoolShape& shape, const T* x, T* y, uint8_t* argmax) {
  check(shape);
  shape.kernel == 3 ? forward<3>(queue, shape, x, y, argmax) : forward<2>(queue, shape, x, y, argmax);
}

template <class T>
void max_pool_backward(Queue& queue, const PoolShape& shape, const uint8_t* argmax, const T* dy, T* dx,
                       bool accumulate) {
  check(shape);
  shape.kernel == 3 ? backward<3>(queue, shape, argmax, dy, dx, accumulate)
                    : backward<2>(queue, shape, argmax, dy, dx, accumulate);
}

#define INSTANTIATE(T)                                                                 \
  template void max_pool_forward<T>(Queue&, const PoolShape&, const T*, T*, uint8_t*); \
  template void max_pool_backward<T>(Queue&, const PoolShape&, const uint8_t*, const T*, T*, bool);
INSTANTIATE(float)
INSTANTIATE(bfloat16)

}  // namespace fovea::kernels
