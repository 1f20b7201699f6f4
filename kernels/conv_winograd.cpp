#include "kernels/conv_winograd.h"

#include <omp.h>

#include "kernels/conv_passes.h"
#include "kernels/micro_gemm.h"
#include "kernels/scratch.h"
#include "kernels/winograd.h"

namespace fovea::kernels {
namespace {

using namespace winograd;
using simd::kLanes;

constexpr int kForwardForm = -1, kBackwardForm = -2;  // packed weights; oneDNN's forms are numbered from 0
constexpr int64_t kBlockBytes = 6 << 20;              // transformed tiles in flight: they stay in the L3 cache
constexpr int64_t kGradientBlockBytes = 10 << 20;     // more, since each block adds to all of dweight
constexpr int64_t kChunk = 48;                        // tiles of one product: its 36 results stay in the L2 cache
constexpr int64_t kSpread = 16;                       // floats between points, so that they do not share cache sets

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

// An NHWC tensor cut into patches of N x N around 4 x 4 tiles.
template <class T>
struct Image {
  T* data;
  int height, width, channels;
  int offset;  // from a tile's corner to its patch's: −pad, or 0
};

// The tiles that cover the outputs of a shape, numbered by image, row, column.
struct Tiles {
  int rows, columns;
  int64_t count;
  explicit Tiles(const ConvShape& s)
      : rows(divide_up(s.out_h(), kTile)),
        columns(divide_up(s.out_w(), kTile)),
        count(int64_t{s.batch} * rows * columns) {}

  // The patch of one tile: its image, corner, and the part [top, bottom) x [left, right) of N x N inside the image.
  template <class T>
  struct Patch {
    T* corner;
    int top, bottom, left, right;
  };
  template <int N, class T>
  Patch<T> patch(const Image<T>& image, int64_t tile) const {
    const int h = static_cast<int>(tile / columns % rows) * kTile + image.offset;
    const int w = static_cast<int>(tile % columns) * kTile + image.offset;
    const int64_t row = tile / columns / rows * image.height + h;
    return {image.data + (row * image.width + w) * image.channels, std::max(0, -h), std::min(N, image.height - h),
            std::max(0, -w), std::min(N, image.width - w)};
  }
};

// Where transformed tiles lie: point, tile, channel → offset. Channels lie in strips.
struct Layout {
  int64_t point, strip, tile;
  static Layout by_rows(int64_t tiles, int channels) {  // a tile's channels are neighbours
    const int64_t row = round_up(channels, kLanes);
    return {tiles * row + kSpread, kStrip, row};
  }
  static Layout by_strips(int64_t tiles, int channels) {  // the tiles of a strip are neighbours
    return {tiles * round_up(channels, kStrip) + kSpread, tiles * kStrip, kStrip};
  }
  int64_t at(int64_t t, int channel) const { return channel / kStrip * strip + t * tile + channel % kStrip; }
  size_t size() const { return kPoints * point; }
  static int64_t bytes_per_tile(int channels, int unit) {
    return round_up(channels, unit) * kPoints * int64_t{sizeof(float)};
  }
};

// One tile through Transform (of its patch, zero outside the image), for all channels.
template <class Transform, class T>
void transform_tile(const Tiles& tiles, const Image<const T>& image, int64_t tile, int64_t slot, const Layout& layout,
                    float* to) {
  constexpr int N = Transform::in;
  const auto patch = tiles.patch<N>(image, tile);
  const int64_t row = int64_t{image.width} * image.channels;
  const bool inside = patch.top == 0 && patch.left == 0 && patch.bottom == N && patch.right == N;
  for (int c = 0; c < image.channels; c += kLanes) {
    const int lanes = std::min(kLanes, image.channels - c);
    Lanes x[N][N], v[kPatch][kPatch];
    if (inside && lanes == kLanes) {
#pragma GCC unroll 6
      for (int i = 0; i < N; ++i)
#pragma GCC unroll 6
        for (int j = 0; j < N; ++j) x[i][j] = simd::load(patch.corner + i * row + j * image.channels + c);
    } else {
      for (auto& line : x)
        for (Lanes& value : line) value = Lanes{};
      for (int i = patch.top; i < patch.bottom; ++i)
        for (int j = patch.left; j < patch.right; ++j)
          x[i][j] = simd::load(patch.corner + i * row + j * image.channels + c, lanes);
    }
    both_ways<Transform>(x, v);
    float* out = to + layout.at(slot, c);
#pragma GCC unroll 6
    for (int i = 0; i < kPatch; ++i)
#pragma GCC unroll 6
      for (int j = 0; j < kPatch; ++j) simd::store(out + (i * kPatch + j) * layout.point, v[i][j]);
  }
}

// What follows the sum: y = mask <= 0 ? 0 : relu(sum + bias + add).
template <class T>
struct Epilogue {
  const float* bias;
  const T* add;
  const T* mask;
  bool relu;
};

// The outputs of one tile, channels [channel, channel + columns), from their 36 products.
template <class T>
void finish_tile(const Tiles& tiles, const Image<T>& image, int64_t tile, const float* products, int64_t point,
                 int channel, int columns, const Epilogue<T>& epilogue) {
  const auto patch = tiles.patch<kTile>(image, tile);
  for (int c = 0; c < columns; c += kLanes) {
    const int lanes = std::min(kLanes, columns - c);
    Lanes m[kPatch][kPatch], y[kTile][kTile];
#pragma GCC unroll 6
    for (int i = 0; i < kPatch; ++i)
#pragma GCC unroll 6
      for (int j = 0; j < kPatch; ++j) m[i][j] = simd::load(products + (i * kPatch + j) * point + c);
    both_ways<OutputTransform>(m, y);
    const Lanes bias = epilogue.bias ? simd::load(epilogue.bias + channel + c, lanes) : Lanes{};
    for (int i = 0; i < patch.bottom; ++i)
      for (int j = 0; j < patch.right; ++j) {
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
FN void gather_weights(const ConvShape& s, const T* w, bool backward, int k, int depth, int n, int lanes,
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

size_t transformed_bytes(int depth, int width) {
  return sizeof(float) * divide_up(width, kStrip) * kPoints * weight_point(depth);
}

// U[strip of n][point][k][n in strip] = G w(k, n) Gᵀ.
template <class T>
void transform_weights(const ConvShape& s, const T* w, bool backward, float* u) {
  const int depth = backward ? s.out_c : s.in_c, width = backward ? s.in_c : s.out_c;
#pragma omp parallel for collapse(2) schedule(static)
  for (int strip = 0; strip < static_cast<int>(divide_up(width, kStrip)); ++strip)
    for (int k = 0; k < depth; k += kLanes)
      for (int first = 0; first < kStrip; first += kLanes) {
        const int n = strip * kStrip + first, lanes = std::clamp(width - n, 0, kLanes),
                  some = std::min(kLanes, depth - k);
        Lanes taps[9][kLanes];
        gather_weights(s, w, backward, k, some, n, lanes, taps);
        for (int i = 0; i < some; ++i) {
          Lanes x[3][3], v[kPatch][kPatch];
          for (int tap = 0; tap < 9; ++tap) x[tap / 3][tap % 3] = taps[tap][i];
          both_ways<WeightTransform>(x, v);
          float* to = u + strip * kPoints * weight_point(depth) + (k + i) * kStrip + first;
          for (int point = 0; point < kPoints; ++point)
            simd::store(to + point * weight_point(depth), v[point / kPatch][point % kPatch]);
        }
      }
}

// Tiles in flight at once, and the tiles of one product: enough products that every thread has some.
struct Blocking {
  int64_t block, chunk;
  Blocking(int64_t tiles, int64_t most_tiles, int64_t strips) {
    const int64_t most = std::max(kChunk, most_tiles);
    block = round_up(divide_up(tiles, divide_up(tiles, most)), kMicroRows);
    const int64_t chunks = std::max(divide_up(block, kChunk), std::min(divide_up(4 * omp_get_max_threads(), strips),
                                                                       divide_up(block, 2 * kMicroRows)));
    chunk = round_up(divide_up(block, chunks), kMicroRows);
  }
};

// y = epilogue(x * w) of a 3x3 convolution `s`, w transformed to u.
template <class T>
struct Product {
  ConvShape s;
  const T* x;
  T* y;
  Epilogue<T> epilogue;
  Tiles tiles{s};
  int64_t strips = divide_up(s.out_c, kStrip);
  Blocking blocking{tiles.count, kBlockBytes / Layout::bytes_per_tile(s.in_c, kLanes), strips};
  Layout inputs = Layout::by_rows(blocking.block, s.in_c);
  int64_t point = blocking.chunk * kStrip + kSpread;  // of the products of a chunk

  void run(const float* u, float* transformed, float* products) const {
    const Image<const T> from{x, s.in_h, s.in_w, s.in_c, -s.pad};
    const Image<T> to{y, s.out_h(), s.out_w(), s.out_c, 0};
#pragma omp parallel
    for (int64_t first = 0; first < tiles.count; first += blocking.block) {
      const int64_t count = std::min(blocking.block, tiles.count - first);
      const int64_t chunks = divide_up(count, blocking.chunk);
      float* mine = products + omp_get_thread_num() * kPoints * point;
#pragma omp for schedule(static)
      for (int64_t i = 0; i < count; ++i)
        transform_tile<InputTransform>(tiles, from, first + i, i, inputs, transformed);
#pragma omp for schedule(dynamic)
      for (int64_t item = 0; item < strips * chunks; ++item) {
        const int64_t strip = item / chunks, start = item % chunks * blocking.chunk;
        const int64_t rows = std::min(blocking.chunk, count - start);
        const int channel = static_cast<int>(strip) * kStrip, columns = std::min(kStrip, s.out_c - channel);
        for (int64_t p = 0; p < kPoints; ++p)
          micro_gemm({transformed + p * inputs.point + start * inputs.tile, inputs.tile, 1,
                      u + (strip * kPoints + p) * weight_point(s.in_c), s.in_c, mine + p * point},
                     rows, columns);
        for (int64_t i = 0; i < rows; ++i)
          finish_tile(tiles, to, first + start + i, mine + i * kStrip, point, channel, columns, epilogue);
      }
    }
  }
};

// Runs a product: workspace, packed weights, dispatch.
template <class T>
void run_product(Queue& queue, PackedWeights& packed, const ConvShape& weights_shape, const ConvWeights& weights,
                 bool backward, const Product<T>& product) {
  const size_t bytes = transformed_bytes(product.s.in_c, product.s.out_c);
  Scratch scratch;
  const auto u = scratch.add<char>(PackedWeights::scratch_bytes(weights, bytes));
  const auto transformed = scratch.add<float>(product.inputs.size());
  const auto products = scratch.add<float>(omp_get_max_threads() * kPoints * product.point);
  scratch.allocate(queue);
  const void* form = packed.get(weights, backward ? kBackwardForm : kForwardForm, bytes, u(scratch), [&](void* to) {
    transform_weights(weights_shape, static_cast<const T*>(weights.data), backward, static_cast<float*>(to));
  });
  product.run(static_cast<const float*>(form), transformed(scratch), products(scratch));
}

// dw (+)= Gᵀ M G for a strip of output channels (rows of M) and one of input channels.
void finish_weights(const ConvShape& s, const float* products, int64_t point, int row, int column, bool accumulate,
                    float* dweight) {
  const int rows = std::min(kStrip, s.out_c - row), columns = std::min(kStrip, s.in_c - column);
  for (int o = 0; o < rows; ++o)
    for (int c = 0; c < columns; c += kLanes) {
      const int lanes = std::min(kLanes, columns - c);
      Lanes m[kPatch][kPatch], w[3][3];
#pragma GCC unroll 6
      for (int i = 0; i < kPatch; ++i)
#pragma GCC unroll 6
        for (int j = 0; j < kPatch; ++j) m[i][j] = simd::load(products + (i * kPatch + j) * point + o * kStrip + c);
      both_ways<WeightGradientTransform>(m, w);
      for (int tap = 0; tap < 9; ++tap) {
        float* to = dweight + (int64_t{row + o} * 9 + tap) * s.in_c + column + c;
        Lanes value = w[tap / 3][tap % 3];
        if (accumulate) value += simd::load(to, lanes);
        simd::store(to, value, lanes);
      }
    }
}

// dweight of a 3x3 convolution `s`, block by block of tiles, in order.
template <class T>
struct WeightGradient {
  ConvShape s;
  const T* x;
  const T* dy;
  bool accumulate;
  float* dweight;
  Tiles tiles{s};
  Blocking blocking{
      tiles.count,
      kGradientBlockBytes / (Layout::bytes_per_tile(s.in_c, kStrip) + Layout::bytes_per_tile(s.out_c, kStrip)), 1};
  Layout inputs = Layout::by_strips(blocking.block, s.in_c), gradients = Layout::by_strips(blocking.block, s.out_c);
  static constexpr int64_t point = kStrip * kStrip + kSpread;  // of the products of two strips

  void run(float* transformed, float* transformed_gradient, float* products) const {
    const Image<const T> from{x, s.in_h, s.in_w, s.in_c, -s.pad}, gradient{dy, s.out_h(), s.out_w(), s.out_c, 0};
    const int64_t out_strips = divide_up(s.out_c, kStrip), in_strips = divide_up(s.in_c, kStrip);
#pragma omp parallel
    for (int64_t first = 0; first < tiles.count; first += blocking.block) {
      const int64_t count = std::min(blocking.block, tiles.count - first);
      float* mine = products + omp_get_thread_num() * kPoints * point;
#pragma omp for schedule(static)
      for (int64_t i = 0; i < count; ++i) {
        transform_tile<InputTransform>(tiles, from, first + i, i, inputs, transformed);
        transform_tile<OutputGradientTransform>(tiles, gradient, first + i, i, gradients, transformed_gradient);
      }
#pragma omp for schedule(dynamic)
      for (int64_t item = 0; item < out_strips * in_strips; ++item) {
        const int64_t out = item % out_strips, in = item / out_strips;
        const int row = static_cast<int>(out) * kStrip, column = static_cast<int>(in) * kStrip;
        for (int64_t p = 0; p < kPoints; ++p)
          micro_gemm({transformed_gradient + p * gradients.point + out * gradients.strip, 1, kStrip,
                      transformed + p * inputs.point + in * inputs.strip, count, mine + p * point},
                     std::min(kStrip, s.out_c - row), std::min(kStrip, s.in_c - column));
        finish_weights(s, mine, point, row, column, accumulate || first > 0, dweight);
      }
    }
  }
};

}  // namespace

bool WinogradConvolution::applies(const ConvShape& s) {
  return s.kernel_h == 3 && s.kernel_w == 3 && s.stride == 1 && s.pad <= 2 && s.groups == 1;
}

// Measured on Zen 4 against oneDNN's direct forms. Few tiles do not pay for transformed weights of four times the size,
// few channels not for the transforms; bf16 products of the direct form cost half of ours in fp32.
bool WinogradConvolution::pays(const ConvShape& s, DType dtype, ConvPass pass) {
  if (!applies(s)) return false;
  const int64_t tiles = Tiles(s).count;
  const int channels = std::min(s.in_c, s.out_c);
  const bool weight_pass = pass == ConvPass::BackwardWeight;
  if (dtype == DType::F32 || weight_pass) return tiles >= 12 && channels >= 16;
  return tiles >= 36 && channels >= 32;
}

void WinogradConvolution::forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args) {
  dispatch(dtype, [&]<class T> {
    const Epilogue<T> epilogue{args.bias, static_cast<const T*>(args.add), nullptr, args.relu};
    run_product(queue, packed_, shape, args.weights, false,
                Product<T>{shape, static_cast<const T*>(args.x), static_cast<T*>(args.y), epilogue});
  });
}

void WinogradConvolution::backward_data(Queue& queue, const ConvShape& shape, DType dtype,
                                        const ConvBackwardData& args) {
  ConvShape turned = shape;  // the data gradient is a convolution of dy with the weights turned
  turned.in_h = shape.out_h(), turned.in_w = shape.out_w(), turned.pad = 2 - shape.pad;
  std::swap(turned.in_c, turned.out_c);
  dispatch(dtype, [&]<class T> {
    T* dx = static_cast<T*>(args.dx);
    const Epilogue<T> epilogue{nullptr, args.accumulate ? dx : nullptr, static_cast<const T*>(args.relu_mask), false};
    run_product(queue, packed_, shape, args.weights, true,
                Product<T>{turned, static_cast<const T*>(args.dy), dx, epilogue});
  });
}

void WinogradConvolution::backward_weight(Queue& queue, const ConvShape& shape, DType dtype,
                                          const ConvBackwardWeight& args) {
  const int64_t rows = int64_t{shape.batch} * shape.out_h() * shape.out_w();
  dispatch(dtype, [&]<class T> {
    const T* dy = static_cast<const T*>(args.dy);
    const WeightGradient<T> gradient{shape, static_cast<const T*>(args.x), dy, args.accumulate, args.dweight};
    Scratch scratch;
    const auto transformed = scratch.add<float>(gradient.inputs.size());
    const auto transformed_gradient = scratch.add<float>(gradient.gradients.size());
    const auto products = scratch.add<float>(omp_get_max_threads() * kPoints * gradient.point);
    const auto partial = scratch.add<float>(args.dbias ? bias_partial_count(rows, shape.out_c) : 0);
    scratch.allocate(queue);
    gradient.run(transformed(scratch), transformed_gradient(scratch), products(scratch));
    if (args.dbias) bias_gradient(dy, rows, shape.out_c, args.accumulate, partial(scratch), args.dbias);
  });
}

}  // namespace fovea::kernels
