// ReLU(x) = max(x, 0), d/dx = [y > 0];  σ(x) = 1 / (1 + e^−x);  y = a + b;  y = x + bias, dbias = Σ_rows dy.
// NaN passes through all of them: ReLU keeps every x that is not below 0, and its mask every dy whose y is not <= 0.
#include "kernels/activation.h"

#include "kernels/column_reduce.h"
#include "kernels/error.h"
#include "kernels/launch/math.h"
#include "kernels/launch/pack.h"

namespace fovea::kernels {
namespace {

FOVEA_HD float relu(float x) { return x < 0 ? 0.f : x; }
FOVEA_HD float masked(float y, float dy) { return y <= 0 ? 0.f : dy; }

struct Relu {
  FOVEA_HD float operator()(float x) const { return relu(x); }
};
struct Sigmoid {
  FOVEA_HD float operator()(float x) const { return math::sigmoid(x); }
};
struct Identity {
  FOVEA_HD float operator()(float x) const { return x; }
};
struct Add {
  FOVEA_HD float operator()(float a, float b) const { return a + b; }
};
struct AddRelu {
  FOVEA_HD float operator()(float a, float b) const { return relu(a + b); }
};
struct ReluBackward {
  FOVEA_HD float operator()(float y, float dy) const { return masked(y, dy); }
};
struct ReluBackwardInto {
  FOVEA_HD float operator()(float y, float dy, float dx) const { return dx + masked(y, dy); }
};

template <class Op, class From, class To>
struct Map {
  const From* x;
  To* y;
  template <int W>
  FOVEA_HD void operator()(int64_t i) const {
    const auto in = load_pack<W>(x + i);
    Pack<To, W> out;
    for (int k = 0; k < W; ++k) out[k] = static_cast<To>(Op{}(static_cast<float>(in[k])));
    store_pack(y + i, out);
  }
};

template <class Op, class T>
struct Map2 {
  const T *a, *b;
  T* y;
  template <int W>
  FOVEA_HD void operator()(int64_t i) const {
    const auto in_a = load_pack<W>(a + i), in_b = load_pack<W>(b + i);
    Pack<T, W> out;
    for (int k = 0; k < W; ++k) out[k] = static_cast<T>(Op{}(in_a[k], in_b[k]));
    store_pack(y + i, out);
  }
};

template <class Op, class T>
struct Map3 {
  const T *a, *b, *c;
  T* y;
  template <int W>
  FOVEA_HD void operator()(int64_t i) const {
    const auto in_a = load_pack<W>(a + i), in_b = load_pack<W>(b + i), in_c = load_pack<W>(c + i);
    Pack<T, W> out;
    for (int k = 0; k < W; ++k) out[k] = static_cast<T>(Op{}(in_a[k], in_b[k], in_c[k]));
    store_pack(y + i, out);
  }
};

template <class T>
struct BiasForward {
  const T* x;
  const float* bias;
  T* y;
  int64_t columns;

  struct AtRow {
    const T* x;
    const float* bias;
    T* y;
    template <int W>
    FOVEA_HD void operator()(int64_t column) const {
      const auto in = load_pack<W>(x + column);
      const auto add = load_pack<W>(bias + column);
      Pack<T, W> out;
      for (int k = 0; k < W; ++k) out[k] = static_cast<T>(in[k] + add[k]);
      store_pack(y + column, out);
    }
  };
  FOVEA_HD AtRow row(int64_t row) const { return {x + row * columns, bias, y + row * columns}; }
};

// Zeroes dy where y <= 0 on the way.
template <class T>
struct ReluBiasTerms {
  static constexpr int kSums = 1;
  using Sum = float;
  const T* y;
  T* dy;
  int64_t columns;
  template <int W>
  FOVEA_HD void operator()(int64_t row, int64_t column, float (&sums)[kSums][W]) const {
    const int64_t i = row * columns + column;
    auto gradient = load_pack<W>(dy + i);
    const auto output = load_pack<W>(y + i);
    for (int k = 0; k < W; ++k) gradient[k] = static_cast<T>(masked(output[k], gradient[k]));
    store_pack(dy + i, gradient);
    for (int k = 0; k < W; ++k) sums[0][k] += static_cast<float>(gradient[k]);
  }
};

template <class Op, class From, class To>
void map(Queue& queue, const char* name, int64_t n, const From* x, To* y) {
  constexpr int kWidth = kPackWidth<From> < kPackWidth<To> ? kPackWidth<From> : kPackWidth<To>;
  for_each_pack<kWidth>(queue, name, n, Map<Op, From, To>{x, y}, all_aligned(16, x, y));
}

template <class Op, class T>
void map2(Queue& queue, const char* name, int64_t n, const T* a, const T* b, T* y) {
  for_each_pack<kPackWidth<T>>(queue, name, n, Map2<Op, T>{a, b, y}, all_aligned(16, a, b, y));
}

}  // namespace

template <class T>
void relu_forward(Queue& queue, int64_t n, const T* x, T* y) {
  map<Relu>(queue, "relu_forward", n, x, y);
}

template <class T>
void relu_backward(Queue& queue, int64_t n, const T* y, const T* dy, T* dx, bool accumulate) {
  if (!accumulate) return map2<ReluBackward>(queue, "relu_backward", n, y, dy, dx);
  for_each_pack<kPackWidth<T>>(queue, "relu_backward", n, Map3<ReluBackwardInto, T>{y, dy, dx, dx},
                               all_aligned(16, y, dy, dx));
}

template <class T>
void add(Queue& queue, int64_t n, const T* a, const T* b, T* y) {
  map2<Add>(queue, "add", n, a, b, y);
}
template <class T>
void add_relu(Queue& queue, int64_t n, const T* a, const T* b, T* y) {
  map2<AddRelu>(queue, "add_relu", n, a, b, y);
}
template <class T>
void add_into(Queue& queue, int64_t n, const T* x, T* y) {
  map2<Add>(queue, "add_into", n, y, x, y);
}

template <class T>
void bias_forward(Queue& queue, int64_t rows, int64_t columns, const T* x, const float* bias, T* y) {
  for_row_packs<kPackWidth<T>>(queue, "bias_forward", rows, columns, BiasForward<T>{x, bias, y, columns},
                               all_aligned(16, x, y, bias));
}

template <class T>
void sigmoid(Queue& queue, int64_t n, const T* x, T* y) {
  map<Sigmoid>(queue, "sigmoid", n, x, y);
}

template <class From, class To>
void cast(Queue& queue, int64_t n, const From* x, To* y) {
  map<Identity>(queue, "cast", n, x, y);
}

size_t bias_sums_bytes(int64_t rows, int64_t columns) { return column_reduce_bytes(1, rows, columns, 1); }

template <class T>
void relu_bias_backward(Queue& queue, int64_t rows, int64_t columns, const T* y, T* dy, double* sums) {
  column_sums<kPackWidth<T>>(queue, "relu_bias_backward", 1, rows, columns, ReluBiasTerms<T>{y, dy, columns},
                             all_aligned(16, y, dy), sums);
}

void fold_bias_sums(Queue& queue, const std::vector<BiasSums>& levels, int64_t columns, float* dbias, bool accumulate) {
  require(!levels.empty() && levels.size() <= kMaxLevels, "the number of levels is not between 1 and kMaxLevels");
  column_reduce_detail::Matrices all{};
  for (size_t i = 0; i < levels.size(); ++i) {
    all.partial[i] = levels[i].sums;
    all.chunks_of[i] = column_reduce_chunks(levels[i].rows);
    all.chunks += all.chunks_of[i];
  }
  fold_columns<1>(queue, "fold_bias_sums", 1, columns, StoreColumn{dbias, accumulate}, all);
}

#define INSTANTIATE(T)                                                                 \
  template void relu_forward<T>(Queue&, int64_t, const T*, T*);                        \
  template void relu_backward<T>(Queue&, int64_t, const T*, const T*, T*, bool);       \
  template void add<T>(Queue&, int64_t, const T*, const T*, T*);                       \
  template void add_relu<T>(Queue&, int64_t, const T*, const T*, T*);                  \
  template void add_into<T>(Queue&, int64_t, const T*, T*);                            \
  template void bias_forward<T>(Queue&, int64_t, int64_t, const T*, const float*, T*); \
  template void sigmoid<T>(Queue&, int64_t, const T*, T*);                             \
  template void relu_bias_backward<T>(Queue&, int64_t, int64_t, const T*, T*, double*);
INSTANTIATE(float)
INSTANTIATE(bfloat16)
template void cast<float, float>(Queue&, int64_t, const float*, float*);
template void cast<float, bfloat16>(Queue&, int64_t, const float*, bfloat16*);
template void cast<bfloat16, float>(Queue&, int64_t, const bfloat16*, float*);
template void cast<uint8_t, float>(Queue&, int64_t, const uint8_t*, float*);

}  // namespace fovea::kernels
