#include "kernels/conv/cpu/winograd_conv.h"

#include <omp.h>

#include <type_traits>

#include "kernels/conv/cpu/winograd_strided.h"
#include "kernels/conv/cpu/winograd_tiles.h"
#include "kernels/device/scratch.h"

namespace fovea::kernels {
namespace {

using namespace winograd;

constexpr int kForwardForm = -1, kBackwardForm = -2;  // of packed weights; oneDNN's forms are numbered from 0
constexpr int kStridedForms = -2;                     // added with stride 2
constexpr int64_t kBlockBytes = 6 << 20;              // transformed tiles in flight: they stay in the L3 cache
constexpr int64_t kGradientBlockBytes = 10 << 20;     // more, since each block adds to all of dweight
constexpr int64_t kProductBytes = 480 << 10;          // products of one thread at a time: they stay in its L2 cache

// Calls body with the type T of activations and their Method. F(4x4) errs like the direct form; F(6x6) saves a fifth of
// the products more, and its error in fp32 is far below bf16's own.
template <class Body>
void dispatch_method(DType dtype, int stride, const Body& body) {
  dispatch(dtype, [&]<class T> {
    if (stride == Strided::stride) return body.template operator()<T, Strided>();
    body.template operator()<T, Transforms<std::is_same_v<T, bfloat16> ? 3 : 2>>();
  });
}

// What follows the sum: y = mask <= 0 ? 0 : relu(sum + bias + add).
template <class T>
struct Epilogue {
  const float* bias;
  const T* add;
  const T* mask;
  bool relu;
};

// The outputs of one tile, channels [channel, channel + columns), from its products at every point.
template <class Output, class T>
void finish_tile(const Tiles& tiles, const Image<T>& image, int64_t tile, const float* products, int64_t point,
                 int channel, int columns, const Epilogue<T>& epilogue) {
  constexpr int axis = Output::in, N = Output::out;
  const auto patch = tiles.patch<N>(image, tile);
  for (int c = 0; c < columns; c += kLanes) {
    const int lanes = std::min(kLanes, columns - c);
    Lanes m[axis][axis], y[N][N];
#pragma GCC unroll 8
    for (int i = 0; i < axis; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < axis; ++j) m[i][j] = simd::load(products + (i * axis + j) * point + c);
    both_ways<Output>(m, y);
    const Lanes bias = epilogue.bias ? simd::load(epilogue.bias + channel + c, lanes) : Lanes{};
    for (int i = patch.top; i < patch.bottom; ++i)
      for (int j = patch.left; j < patch.right; ++j) {
        T* to = patch.corner + (int64_t{i} * image.width + j) * image.channels + channel + c;
        const int64_t at = to - image.data;
        Lanes value = y[i][j] + bias;
        if (epilogue.add) value += simd::load(epilogue.add + at, lanes);
        if (epilogue.relu) value = value < 0.f ? Lanes{} : value;  // NaN stays NaN
        if (epilogue.mask) value = simd::load(epilogue.mask + at, lanes) <= 0.f ? Lanes{} : value;
        simd::store(to, value, lanes);
      }
  }
}

// w(k, n) for k in [k, k + depth) and a vector of n: taps[tap][k], the weights from input channel k to output channels
// n. For the data gradient (k = output channels, n = input channels) they are turned by half.
template <class T>
FOVEA_HD void gather_weights(const ConvShape& s, const T* w, bool backward, int k, int depth, int n, int lanes,
                             Lanes (&taps)[9][kLanes]) {
  const int64_t out_step = int64_t{9} * s.in_c;
  for (int tap = 0; tap < 9; ++tap) {
    if (backward) {
      for (int i = 0; i < depth; ++i) taps[tap][i] = simd::load(w + (k + i) * out_step + (8 - tap) * s.in_c + n, lanes);
      continue;
    }
    float transposed[kLanes][kLanes] = {};
    for (int lane = 0; lane < lanes; ++lane) {
      const Lanes row = simd::load(w + (n + lane) * out_step + tap * s.in_c + k, depth);
      for (int i = 0; i < kLanes; ++i) transposed[i][lane] = row[i];
    }
    std::memcpy(taps[tap], transposed, sizeof(transposed));
  }
}

int64_t weight_point(int depth) { return int64_t{depth} * kStrip + kSpread; }  // floats between points

template <class Method>
constexpr int kWeightPoints = Method::Weight::out * Method::Weight::out;

// The point of the weights for point p of the product: what exceeds an axis of theirs is their last.
template <class Method>
constexpr int weight_of(int p) {
  constexpr int last = Method::Weight::out - 1;
  return std::min(p / Method::axis, last) * Method::Weight::out + std::min(p % Method::axis, last);
}

template <class Method>
size_t transformed_bytes(int depth, int width) {
  return sizeof(float) * ceil_div(width, kStrip) * kWeightPoints<Method> * weight_point(depth);
}

// U[strip of n][point][k][n in strip] = G w(k, n) Gᵀ.
template <class Method, class T>
void transform_weights(const ConvShape& s, const T* w, bool backward, float* u) {
  constexpr int axis = Method::Weight::out, points = kWeightPoints<Method>;
  const int depth = backward ? s.out_c : s.in_c, width = backward ? s.in_c : s.out_c;
#pragma omp parallel for collapse(2) schedule(static)
  for (int strip = 0; strip < ceil_div(width, kStrip); ++strip)
    for (int k = 0; k < depth; k += kLanes)
      for (int first = 0; first < kStrip; first += kLanes) {
        const int n = strip * kStrip + first, lanes = std::clamp(width - n, 0, kLanes),
                  some = std::min(kLanes, depth - k);
        Lanes taps[9][kLanes];
        gather_weights(s, w, backward, k, some, n, lanes, taps);
        for (int i = 0; i < some; ++i) {
          Lanes x[3][3], v[axis][axis];
          for (int tap = 0; tap < 9; ++tap) x[tap / 3][tap % 3] = taps[tap][i];
          both_ways<typename Method::Weight>(x, v);
          float* to = u + strip * points * weight_point(depth) + (k + i) * kStrip + first;
          for (int p = 0; p < points; ++p) simd::store(to + p * weight_point(depth), v[p / axis][p % axis]);
        }
      }
}

// Tiles in flight at once, and the tiles of one product: enough products that every thread has some.
struct Blocking {
  int64_t block, chunk;
  Blocking(int64_t tiles, int64_t most_tiles, int64_t most_rows, int64_t strips) {
    const int64_t most = std::max(most_rows, most_tiles);
    block = round_up(ceil_div(tiles, ceil_div(tiles, most)), kMicroRows);
    const int64_t wanted = ceil_div(4 * omp_get_max_threads(), strips);
    const int64_t chunks = std::max(ceil_div(block, most_rows), std::min(wanted, ceil_div(block, 2 * kMicroRows)));
    chunk = round_up(ceil_div(block, chunks), kMicroRows);
  }
};

// Bytes of one transformed tile, and rows of a product that a thread holds at every point.
template <class Method>
int64_t tile_bytes(int channels, int unit) {
  return Method::products * round_up(channels, unit) * int64_t{sizeof(float)};
}
template <class Method>
constexpr int64_t kProductRows =
    kProductBytes / (Method::products * kStrip * int64_t{sizeof(float)}) / kMicroRows * kMicroRows;

// to = epilogue(from * w) by tiles, w transformed to u: the forward pass, or the data gradient.
template <class T, class Method, class Input, class Output>
struct Product {
  Image<const T> from;
  Image<T> to;
  Tiles tiles;  // of Output
  Epilogue<T> epilogue;
  int64_t strips = ceil_div(to.channels, kStrip);
  Blocking blocking{tiles.count, kBlockBytes / tile_bytes<Method>(from.channels, kLanes), kProductRows<Method>, strips};
  Layout inputs = Layout::by_rows(blocking.block, from.channels);
  int64_t point = blocking.chunk * kStrip + kSpread;  // of the products of a chunk

  void run(const float* u, float* transformed, float* products) const {
    const int64_t weights = weight_point(from.channels);
#pragma omp parallel
    for (int64_t first = 0; first < tiles.count; first += blocking.block) {
      const int64_t count = std::min(blocking.block, tiles.count - first);
      const int64_t chunks = ceil_div(count, blocking.chunk);
      float* mine = products + omp_get_thread_num() * Method::products * point;
#pragma omp for schedule(static)
      for (int64_t i = 0; i < count; ++i) transform_tile<Input>(tiles, from, first + i, i, inputs, transformed);
#pragma omp for schedule(dynamic)
      for (int64_t item = 0; item < strips * chunks; ++item) {
        const int64_t strip = item / chunks, start = item % chunks * blocking.chunk;
        const int64_t rows = std::min(blocking.chunk, count - start);
        const int channel = static_cast<int>(strip) * kStrip, columns = std::min(kStrip, to.channels - channel);
        for (int p = 0; p < Method::products; ++p)
          micro_gemm(
              {transformed + p * inputs.point + start * inputs.tile, inputs.tile, 1,
               u + (strip * kWeightPoints<Method> + weight_of<Method>(p)) * weights, from.channels, mine + p * point},
              rows, columns);
        for (int64_t i = 0; i < rows; ++i)
          finish_tile<Output>(tiles, to, first + start + i, mine + i * kStrip, point, channel, columns, epilogue);
      }
    }
  }
};

// Runs a product: workspace, packed weights, dispatch.
template <class T, class Method, class Input, class Output>
void run_product(Queue& queue, PackedWeights& packed, const ConvShape& shape, const ConvWeights& weights, bool backward,
                 const Product<T, Method, Input, Output>& product) {
  const size_t bytes = transformed_bytes<Method>(product.from.channels, product.to.channels);
  Scratch scratch;
  const auto u = scratch.add<char>(PackedWeights::scratch_bytes(weights, bytes));
  const auto transformed = scratch.add<float>(Method::products * product.inputs.point);
  const auto products = scratch.add<float>(omp_get_max_threads() * Method::products * product.point);
  scratch.allocate(queue);
  const int form = (backward ? kBackwardForm : kForwardForm) + (Method::stride == 2 ? kStridedForms : 0);
  const void* packed_u = packed.get(weights, form, bytes, u(scratch), [&](void* to) {
    transform_weights<Method>(shape, static_cast<const T*>(weights.data), backward, static_cast<float*>(to));
  });
  product.run(static_cast<const float*>(packed_u), transformed(scratch), products(scratch));
}

// dw (+)= Gᵀ M G for some output channels (rows of M) and a strip of input channels.
template <class Method>
void finish_weights(const ConvShape& s, const float* products, int64_t point, int row, int rows, int column,
                    bool accumulate, float* dweight) {
  constexpr int axis = Method::axis;
  const int columns = std::min(kStrip, s.in_c - column);
  for (int o = 0; o < rows; ++o)
    for (int c = 0; c < columns; c += kLanes) {
      const int lanes = std::min(kLanes, columns - c);
      Lanes m[axis][axis], w[3][3];
#pragma GCC unroll 8
      for (int i = 0; i < axis; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < axis; ++j) m[i][j] = simd::load(products + (i * axis + j) * point + o * kStrip + c);
      both_ways<typename Method::WeightGradient>(m, w);
      for (int tap = 0; tap < 9; ++tap) {
        float* to = dweight + (int64_t{row + o} * 9 + tap) * s.in_c + column + c;
        Lanes value = w[tap / 3][tap % 3];
        if (accumulate) value += simd::load(to, lanes);
        simd::store(to, value, lanes);
      }
    }
}

// dweight of a 3x3 convolution `s`, block by block of tiles, in order.
template <class T, class Method>
struct WeightGradient {
  ConvShape s;
  const T* x;
  const T* dy;
  bool accumulate;
  float* dweight;
  Tiles tiles{s.batch, s.out_h(), s.out_w(), Method::tile};
  Blocking blocking{tiles.count,
                    kGradientBlockBytes / (tile_bytes<Method>(s.in_c, kStrip) + tile_bytes<Method>(s.out_c, kStrip)),
                    kProductRows<Method>, 1};
  Layout inputs = Layout::by_strips(blocking.block, s.in_c), gradients = Layout::by_strips(blocking.block, s.out_c);
  static constexpr int kRows = Method::products <= 36 ? kStrip : kStrip / 2;  // output channels of one product
  static constexpr int64_t point = kRows * kStrip + kSpread;

  void run(float* transformed, float* transformed_gradient, float* products) const {
    const Image<const T> from{x, s.in_h, s.in_w, s.in_c, Method::stride * Method::tile, -s.pad.h};
    const Image<const T> gradient{dy, s.out_h(), s.out_w(), s.out_c, Method::tile, 0};
    const int64_t row_blocks = ceil_div(s.out_c, kRows), strips = ceil_div(s.in_c, kStrip);
#pragma omp parallel
    for (int64_t first = 0; first < tiles.count; first += blocking.block) {
      const int64_t count = std::min(blocking.block, tiles.count - first);
      float* mine = products + omp_get_thread_num() * Method::products * point;
#pragma omp for schedule(static)
      for (int64_t i = 0; i < count; ++i) {
        transform_tile<typename Method::Input>(tiles, from, first + i, i, inputs, transformed);
        transform_tile<typename Method::OutputGradient>(tiles, gradient, first + i, i, gradients, transformed_gradient);
      }
#pragma omp for schedule(dynamic)
      for (int64_t item = 0; item < row_blocks * strips; ++item) {
        const int64_t strip = item / row_blocks;
        const int row = static_cast<int>(item % row_blocks) * kRows, rows = std::min(kRows, s.out_c - row);
        const int column = static_cast<int>(strip) * kStrip;
        for (int p = 0; p < Method::products; ++p)
          micro_gemm({transformed_gradient + p * gradients.point + gradients.at(0, row), 1, kStrip,
                      transformed + p * inputs.point + strip * inputs.strip, count, mine + p * point},
                     rows, std::min(kStrip, s.in_c - column));
        finish_weights<Method>(s, mine, point, row, rows, column, accumulate || first > 0, dweight);
      }
    }
  }
};

}  // namespace

bool WinogradConvolution::applies(const ConvShape& s) {
  return s.kernel_h == 3 && s.kernel_w == 3 && (s.stride == 1 || s.stride == 2) && s.pad.h == s.pad.w && s.pad.h <= 2 &&
         s.groups == 1;
}

std::string WinogradConvolution::describe(const ConvShape& shape, DType dtype) {
  if (shape.stride == 2) return "winograd F(3x3,3x3) stride 2";
  return dtype == DType::F32 ? "winograd F(4x4,3x3)" : "winograd F(6x6,3x3)";
}

// Measured against oneDNN's direct forms: stride 1 on Zen 4, stride 2 on a CPU without AVX-512. Few tiles do not pay
// for transformed weights of three or four times the size, few channels not for the transforms; the direct form's bf16
// products cost half of ours, so that it takes more tiles.
bool WinogradConvolution::pays(const ConvShape& s, DType dtype, ConvPass pass) {
  if (!applies(s)) return false;
  const int64_t tiles = Tiles(s.batch, s.out_h(), s.out_w(), 4).count;
  const int channels = std::min(s.in_c, s.out_c);
  const bool weight_pass = pass == ConvPass::BackwardWeight;
  if (s.stride == 2) return tiles >= (weight_pass ? 36 : 12) && channels >= 16;
  if (dtype == DType::F32 || weight_pass) return tiles >= 12 && channels >= 16;
  return tiles >= 100 && channels >= 32;
}

void WinogradConvolution::forward(Queue& queue, const ConvShape& s, DType dtype, const ConvForward& args) {
  dispatch_method(dtype, s.stride, [&]<class T, class Method> {
    const Image<const T> x{static_cast<const T*>(args.x), s.in_h, s.in_w, s.in_c, s.stride * Method::tile, -s.pad.h};
    const Image<T> y{static_cast<T*>(args.y), s.out_h(), s.out_w(), s.out_c, Method::tile, 0};
    const Product<T, Method, typename Method::Input, typename Method::Output> product{
        x,
        y,
        {s.batch, y.height, y.width, Method::tile},
        {args.bias, static_cast<const T*>(args.add), nullptr, args.relu}};
    run_product(queue, packed_, s, args.weights, false, product);
  });
}

// With v = stride·i + tap, the data gradient at v − pad is the sum of dy_i w_tap: a convolution of dy with the weights
// turned by half. Tiles begin at multiples of the stride in v.
void WinogradConvolution::backward_data(Queue& queue, const ConvShape& s, DType dtype, const ConvBackwardData& args) {
  dispatch_method(dtype, s.stride, [&]<class T, class Method> {
    constexpr int stride = Method::stride, size = stride * Method::tile;
    const int before = s.pad.h % stride;  // the first tile's rows and columns in front of dx
    T* dx = static_cast<T*>(args.dx);
    const Image<const T> from{static_cast<const T*>(args.dy), s.out_h(), s.out_w(), s.out_c, Method::tile,
                              s.pad.h / stride - 2 / stride};
    const Image<T> to{dx, s.in_h, s.in_w, s.in_c, size, -before};
    const Product<T, Method, typename Method::DataInput, typename Method::DataOutput> product{
        from,
        to,
        {s.batch, s.in_h + before, s.in_w + before, size},
        {nullptr, args.accumulate ? dx : nullptr, static_cast<const T*>(args.relu_mask), false}};
    run_product(queue, packed_, s, args.weights, true, product);
  });
}

void WinogradConvolution::backward_weight(Queue& queue, const ConvShape& shape, DType dtype,
                                          const ConvBackwardWeight& args) {
  dispatch_method(dtype, shape.stride, [&]<class T, class Method> {
    const T* dy = static_cast<const T*>(args.dy);
    const WeightGradient<T, Method> gradient{shape, static_cast<const T*>(args.x), dy, args.accumulate, args.dweight};
    Scratch scratch;
    const auto transformed = scratch.add<float>(Method::products * gradient.inputs.point);
    const auto transformed_gradient = scratch.add<float>(Method::products * gradient.gradients.point);
    const auto products = scratch.add<float>(omp_get_max_threads() * Method::products * gradient.point);
    scratch.allocate(queue);
    gradient.run(transformed(scratch), transformed_gradient(scratch), products(scratch));
  });
}

}  // namespace fovea::kernels
