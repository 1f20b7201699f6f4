// Padding, cropping and space-to-depth around cuDNN's convolutions (conv_passes.h says what each computes). All are
// memory-bound: 16 bytes are written at a time, and each element is read once.
#include "kernels/conv/conv_passes.h"

#include "kernels/launch/launch.h"
#include "kernels/launch/math.h"
#include "kernels/launch/pack.h"

namespace fovea::kernels {
namespace {

constexpr int kMostChannels = 4;  // beyond them the convolution itself has kernels for Hopper

template <class From, class To>
struct PadChannels {
  const From* from;
  To* to;
  int64_t from_rows;
  int from_channels, channels;

  struct AtRow {
    const From* from;  // nullptr: the row is zero
    To* to;
    int from_channels;
    template <int W>
    FOVEA_HD void operator()(int64_t column) const {
      Pack<To, W> out;
      for (int k = 0; k < W; ++k)
        out[k] = from != nullptr && column + k < from_channels ? static_cast<To>(static_cast<float>(from[column + k]))
                                                               : static_cast<To>(0.f);
      store_pack(to + column, out);
    }
  };
  FOVEA_HD AtRow row(int64_t row) const {
    return {row < from_rows ? from + row * from_channels : nullptr, to + row * channels, from_channels};
  }
};

// W elements from position i of [rows, channels] on, out of rows of `from_channels`.
template <int W, class T>
FOVEA_HD void load_cropped(const T* from, int64_t i, int from_channels, int channels, float (&value)[W]) {
  if (from_channels == channels) {
    const auto in = load_pack<W>(from + i);
    for (int k = 0; k < W; ++k) value[k] = static_cast<float>(in[k]);
    return;
  }
  int64_t row = i / channels;  // once for W elements
  int column = static_cast<int>(i - row * channels);
  for (int k = 0; k < W; ++k) {
    value[k] = static_cast<float>(from[row * from_channels + column]);
    if (++column == channels) column = 0, ++row;
  }
}

template <class T, class Bias>
struct FinishForward {
  const T *from, *add;
  const Bias* bias;
  T* to;
  int from_channels, channels;
  bool relu;

  template <int W>
  FOVEA_HD void operator()(int64_t i) const {
    float value[W];
    load_cropped<W>(from, i, from_channels, channels, value);
    if (add != nullptr) {
      const auto added = load_pack<W>(add + i);
      for (int k = 0; k < W; ++k) value[k] += static_cast<float>(added[k]);
    }
    if (bias != nullptr) {
      int column = static_cast<int>(i % channels);
      for (int k = 0; k < W; ++k) {
        value[k] += static_cast<float>(bias[column]);
        if (++column == channels) column = 0;
      }
    }
    Pack<T, W> out;
    for (int k = 0; k < W; ++k) out[k] = static_cast<T>(relu && value[k] < 0 ? 0.f : value[k]);
    store_pack(to + i, out);
  }
};

template <class From, class To>
struct FinishGradient {
  const From* from;
  const To* mask;
  To* to;
  int from_channels, channels;
  bool accumulate;

  template <int W>
  FOVEA_HD void operator()(int64_t i) const {
    float value[W];
    load_cropped<W>(from, i, from_channels, channels, value);
    if (accumulate) {
      const auto held = load_pack<W>(to + i);
      for (int k = 0; k < W; ++k) value[k] += static_cast<float>(held[k]);
    }
    if (mask != nullptr) {
      const auto masks = load_pack<W>(mask + i);
      for (int k = 0; k < W; ++k)
        if (static_cast<float>(masks[k]) <= 0) value[k] = 0;
    }
    Pack<To, W> out;
    for (int k = 0; k < W; ++k) out[k] = static_cast<To>(value[k]);
    store_pack(to + i, out);
  }
};

// A row is a pixel of the result, a column one of its channels (b·2 + e)·in_c + c.
template <class T>
struct SpaceToDepth {
  const T* x;
  T* to;
  ConvShape shape, deep;

  struct AtRow {
    const T* image;
    T* to;
    int in_h, in_w, in_c, top, left;
    template <int W>
    FOVEA_HD void operator()(int64_t column) const {
      Pack<T, W> out;
      int part = static_cast<int>(column) / in_c, c = static_cast<int>(column) - part * in_c;
      for (int k = 0; k < W; ++k) {
        const int h = top + part / 2, w = left + part % 2;
        const bool inside = part < 4 && h >= 0 && h < in_h && w >= 0 && w < in_w;
        out[k] = inside ? image[(h * in_w + w) * in_c + c] : static_cast<T>(0.f);  // 64-bit offsets would spill
        if (++c == in_c) c = 0, ++part;
      }
      store_pack(to + column, out);
    }
  };
  FOVEA_HD AtRow row(int64_t row) const {
    const int64_t line = row / deep.in_w, image = line / deep.in_h;
    const int i = static_cast<int>(line - image * deep.in_h), j = static_cast<int>(row - line * deep.in_w);
    return {x + image * shape.in_h * shape.in_w * shape.in_c,
            to + row * deep.in_c,
            shape.in_h,
            shape.in_w,
            shape.in_c,
            2 * i - shape.pad.h,
            2 * j - shape.pad.w};
  }
};

// Where weight [o, r, s, c] is in the result.
struct SpaceToDepthWeightPlace {
  int kernel_h, kernel_w, in_c, to_h, to_w, to_c;
  SpaceToDepthWeightPlace(const ConvShape& s, const ConvShape& f)
      : kernel_h(s.kernel_h), kernel_w(s.kernel_w), in_c(s.in_c), to_h(f.kernel_h), to_w(f.kernel_w), to_c(f.in_c) {}
  FOVEA_HD int64_t operator()(int64_t tap, int c) const {  // tap = (o·kernel_h + r)·kernel_w + s
    const int64_t line = tap / kernel_w, o = line / kernel_h;
    const int s = static_cast<int>(tap - line * kernel_w), r = static_cast<int>(line - o * kernel_h);
    return ((o * to_h + r / 2) * to_w + s / 2) * to_c + ((r % 2) * 2 + s % 2) * in_c + c;
  }
};

template <class T>
struct SpaceToDepthWeights {
  const T* w;
  T* to;
  SpaceToDepthWeightPlace place;
  FOVEA_HD void operator()(int64_t tap, int64_t c) const {
    to[place(tap, static_cast<int>(c))] = w[tap * place.in_c + c];
  }
};

template <class T>
struct DepthToSpaceWeightGradient {
  const T* from;
  float* dweight;
  bool accumulate;
  SpaceToDepthWeightPlace place;
  FOVEA_HD void operator()(int64_t tap, int64_t c) const {
    const float value = static_cast<float>(from[place(tap, static_cast<int>(c))]);
    float* to = dweight + tap * place.in_c + c;
    *to = accumulate ? *to + value : value;
  }
};

// Pixels of an image, one in stride x stride of which a convolution 1x1 looks at.
struct StridedPixels {
  int in_h, in_w, out_h, out_w, stride, channels;
  explicit StridedPixels(const ConvShape& s)
      : in_h(s.in_h), in_w(s.in_w), out_h(s.out_h()), out_w(s.out_w()), stride(s.stride), channels(s.in_c) {}

  // Where the pixel is that output pixel `row` looks at.
  FOVEA_HD int64_t looked_at(int64_t row) const {
    const int64_t line = row / out_w, image = line / out_h;
    const int p = static_cast<int>(line - image * out_h), q = static_cast<int>(row - line * out_w);
    return ((image * in_h + int64_t{p} * stride) * in_w + q * stride) * channels;
  }
  // Where the output pixel is that looks at pixel `row`; -1: none does.
  FOVEA_HD int64_t looking(int64_t row) const {
    const int64_t line = row / in_w, image = line / in_h;
    const int h = static_cast<int>(line - image * in_h), w = static_cast<int>(row - line * in_w);
    if (h % stride != 0 || w % stride != 0) return -1;
    return ((image * out_h + h / stride) * out_w + w / stride) * channels;
  }
};

template <class T>
struct GatherPixels {
  const T* x;
  T* to;
  StridedPixels pixels;

  struct AtRow {
    const T* from;
    T* to;
    template <int W>
    FOVEA_HD void operator()(int64_t c) const {
      store_pack(to + c, load_pack<W>(from + c));
    }
  };
  FOVEA_HD AtRow row(int64_t row) const { return {x + pixels.looked_at(row), to + row * pixels.channels}; }
};

// A row is an output pixel.
template <class T>
struct AddPixels {
  const T* from;
  T* dx;
  StridedPixels pixels;

  struct AtRow {
    const T* from;
    T* dx;
    template <int W>
    FOVEA_HD void operator()(int64_t c) const {
      const auto value = load_pack<W>(from + c);
      auto sum = load_pack<W>(dx + c);
      for (int k = 0; k < W; ++k) sum[k] = static_cast<T>(static_cast<float>(value[k]) + static_cast<float>(sum[k]));
      store_pack(dx + c, sum);
    }
  };
  FOVEA_HD AtRow row(int64_t row) const { return {from + row * pixels.channels, dx + pixels.looked_at(row)}; }
};

// A row is a pixel of dx.
template <class T>
struct SpreadPixels {
  const T *from, *mask;
  T* dx;
  StridedPixels pixels;
  bool accumulate;

  struct AtRow {
    const T *from, *mask;  // nullptr: no pixel looks here; no mask
    T* dx;
    bool accumulate;
    template <int W>
    FOVEA_HD void operator()(int64_t c) const {
      float value[W] = {};
      if (from != nullptr) {
        const auto in = load_pack<W>(from + c);
        for (int k = 0; k < W; ++k) value[k] = static_cast<float>(in[k]);
      }
      if (accumulate) {
        const auto held = load_pack<W>(dx + c);
        for (int k = 0; k < W; ++k) value[k] += static_cast<float>(held[k]);
      }
      if (mask != nullptr) {
        const auto masks = load_pack<W>(mask + c);
        for (int k = 0; k < W; ++k)
          if (static_cast<float>(masks[k]) <= 0) value[k] = 0;
      }
      Pack<T, W> out;
      for (int k = 0; k < W; ++k) out[k] = static_cast<T>(value[k]);
      store_pack(dx + c, out);
    }
  };
  FOVEA_HD AtRow row(int64_t row) const {
    const int64_t at = pixels.looking(row), here = row * pixels.channels;
    return {at < 0 ? nullptr : from + at, mask == nullptr ? nullptr : mask + here, dx + here, accumulate};
  }
};

}  // namespace

template <class From, class To>
void pad_channels(Queue& queue, int64_t from_rows, int64_t rows, int from_channels, int channels, const From* from,
                  To* to) {
  for_row_packs<kPackWidth<To>>(queue, "pad_channels", rows, channels,
                                PadChannels<From, To>{from, to, from_rows, from_channels, channels},
                                all_aligned(16, to));
}

template <class T, class Bias>
void finish_forward(Queue& queue, int64_t rows, int from_channels, int channels, const T* from, const T* add,
                    const Bias* bias, bool relu, T* to) {
  for_each_pack<kPackWidth<T>>(queue, "finish_forward", rows * channels,
                               FinishForward<T, Bias>{from, add, bias, to, from_channels, channels, relu},
                               all_aligned(16, from, add, to));
}

template <class From, class To>
void finish_gradient(Queue& queue, int64_t rows, int from_channels, int channels, const From* from, const To* mask,
                     bool accumulate, To* to) {
  constexpr int kWidth = kPackWidth<From> < kPackWidth<To> ? kPackWidth<From> : kPackWidth<To>;
  for_each_pack<kWidth>(queue, "finish_gradient", rows * channels,
                        FinishGradient<From, To>{from, mask, to, from_channels, channels, accumulate},
                        all_aligned(16, from, mask, to));
}

bool uses_space_to_depth(const ConvShape& s) {
  return s.stride == 2 && s.groups == 1 && s.in_c <= kMostChannels && s.kernel_h > 1 && s.kernel_w > 1;
}

ConvShape space_to_depth_shape(const ConvShape& s) {
  const int kernel_h = (s.kernel_h + 1) / 2, kernel_w = (s.kernel_w + 1) / 2;
  const int channels = round_up(4 * s.in_c, kChannelMultiple);
  return {s.batch, s.out_h() + kernel_h - 1, s.out_w() + kernel_w - 1, channels, s.out_c, kernel_h, kernel_w, 1, 0, 1};
}

template <class T>
void space_to_depth(Queue& queue, const ConvShape& shape, const T* x, T* to) {
  const ConvShape deep = space_to_depth_shape(shape);
  for_row_packs<kPackWidth<T>>(queue, "space_to_depth", int64_t{deep.batch} * deep.in_h * deep.in_w, deep.in_c,
                               SpaceToDepth<T>{x, to, shape, deep}, all_aligned(16, to));
}

template <class T>
void space_to_depth_weights(Queue& queue, const ConvShape& shape, const T* w, T* to) {
  const ConvShape deep = space_to_depth_shape(shape);
  queue.fill_zero(to, deep.weight_count() * sizeof(T));
  for_each_2d(queue, "space_to_depth_weights", int64_t{shape.out_c} * shape.kernel_h * shape.kernel_w, shape.in_c,
              SpaceToDepthWeights<T>{w, to, {shape, deep}});
}

template <class T>
void depth_to_space_weight_gradient(Queue& queue, const ConvShape& shape, const T* from, bool accumulate,
                                    float* dweight) {
  for_each_2d(queue, "depth_to_space_weight_gradient", int64_t{shape.out_c} * shape.kernel_h * shape.kernel_w,
              shape.in_c,
              DepthToSpaceWeightGradient<T>{from, dweight, accumulate, {shape, space_to_depth_shape(shape)}});
}

bool gathers(const ConvShape& s) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.stride > 1 && s.pad == Extent(0) && s.groups == 1;
}

ConvShape gathered(const ConvShape& s) { return {s.batch, s.out_h(), s.out_w(), s.in_c, s.out_c, 1, 1, 1, 0, 1}; }

template <class T>
void gather_pixels(Queue& queue, const ConvShape& shape, const T* x, T* to) {
  const int64_t rows = int64_t{shape.batch} * shape.out_h() * shape.out_w();
  for_row_packs<kPackWidth<T>>(queue, "gather_pixels", rows, shape.in_c, GatherPixels<T>{x, to, StridedPixels(shape)},
                               all_aligned(16, x, to));
}

template <class T>
void scatter_pixels(Queue& queue, const ConvShape& shape, const T* from, const T* mask, bool accumulate, T* dx) {
  const StridedPixels pixels(shape);
  const bool aligned = all_aligned(16, from, mask, dx);
  if (accumulate && mask == nullptr)
    return for_row_packs<kPackWidth<T>>(queue, "scatter_pixels", int64_t{shape.batch} * shape.out_h() * shape.out_w(),
                                        shape.in_c, AddPixels<T>{from, dx, pixels}, aligned);
  for_row_packs<kPackWidth<T>>(queue, "scatter_pixels", int64_t{shape.batch} * shape.in_h * shape.in_w, shape.in_c,
                               SpreadPixels<T>{from, mask, dx, pixels, accumulate}, aligned);
}

template void pad_channels(Queue&, int64_t, int64_t, int, int, const float*, float*);
template void pad_channels(Queue&, int64_t, int64_t, int, int, const float*, bfloat16*);
template void pad_channels(Queue&, int64_t, int64_t, int, int, const bfloat16*, bfloat16*);
template void finish_gradient(Queue&, int64_t, int, int, const float*, const float*, bool, float*);
template void finish_gradient(Queue&, int64_t, int, int, const bfloat16*, const bfloat16*, bool, bfloat16*);
template void finish_gradient(Queue&, int64_t, int, int, const bfloat16*, const float*, bool, float*);
template void finish_gradient(Queue&, int64_t, int, int, const float*, const bfloat16*, bool, bfloat16*);
template void finish_forward(Queue&, int64_t, int, int, const bfloat16*, const bfloat16*, const bfloat16*, bool,
                             bfloat16*);
#define INSTANTIATE(T)                                                                                 \
  template void finish_forward(Queue&, int64_t, int, int, const T*, const T*, const float*, bool, T*); \
  template void space_to_depth(Queue&, const ConvShape&, const T*, T*);                                \
  template void space_to_depth_weights(Queue&, const ConvShape&, const T*, T*);                        \
  template void gather_pixels(Queue&, const ConvShape&, const T*, T*);                                 \
  template void scatter_pixels(Queue&, const ConvShape&, const T*, const T*, bool, T*);                \
  template void depth_to_space_weight_gradient(Queue&, const ConvShape&, const T*, bool, float*);
INSTANTIATE(float)
INSTANTIATE(bfloat16)

}  // namespace fovea::kernels
