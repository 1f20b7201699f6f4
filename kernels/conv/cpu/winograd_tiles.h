// Tiles of NHWC images for Winograd's convolution: which pixels they cover, where their transforms lie, and the
// transform of one of them for all its channels.
#pragma once
#include <algorithm>

#include "kernels/conv/cpu/micro_gemm.h"
#include "kernels/conv/cpu/winograd_transforms.h"
#include "kernels/launch/math.h"

namespace fovea::kernels::winograd {

using simd::kLanes;

inline constexpr int64_t kSpread =
    16;  // floats between the points of a transform, so that they do not share cache sets

// An NHWC tensor cut into patches around tiles.
template <class T>
struct Image {
  T* data;
  int height, width, channels;
  int step;    // from a tile's patch to the next one's
  int offset;  // of the first patch's corner: −pad, or 0
};

// Tiles of `size` that cover images of that height and width, numbered by image, row, column.
struct Tiles {
  int rows, columns;
  int64_t count;
  Tiles(int batch, int height, int width, int size)
      : rows(ceil_div(height, size)), columns(ceil_div(width, size)), count(int64_t{batch} * rows * columns) {}

  // The patch of one tile: its image, corner, and the part [top, bottom) x [left, right) of N x N inside the image.
  template <class T>
  struct Patch {
    T* corner;
    int top, bottom, left, right;
  };
  template <int N, class T>
  Patch<T> patch(const Image<T>& image, int64_t tile) const {
    const int h = static_cast<int>(tile / columns % rows) * image.step + image.offset;
    const int w = static_cast<int>(tile % columns) * image.step + image.offset;
    const int64_t row = tile / columns / rows * image.height + h;
    return {image.data + (row * image.width + w) * image.channels, std::max(0, -h), std::min(N, image.height - h),
            std::max(0, -w), std::min(N, image.width - w)};
  }
};

// Where transformed tiles lie: point, tile, channel → offset. Channels lie in strips.
struct Layout {
  int64_t point, strip, tile;
  static Layout by_rows(int64_t tiles, int channels) {  // a tile's channels are neighbors
    const int64_t row = round_up(channels, kLanes);
    return {tiles * row + kSpread, kStrip, row};
  }
  static Layout by_strips(int64_t tiles, int channels) {  // the tiles of a strip are neighbors
    return {tiles * round_up(channels, kStrip) + kSpread, tiles * kStrip, kStrip};
  }
  int64_t at(int64_t t, int channel) const { return channel / kStrip * strip + t * tile + channel % kStrip; }
};

// One tile through Transform (of its patch, zero outside the image), for all channels.
template <class Transform, class T>
void transform_tile(const Tiles& tiles, const Image<const T>& image, int64_t tile, int64_t slot, const Layout& layout,
                    float* to) {
  constexpr int N = Transform::in, patch_size = Transform::out;
  const auto patch = tiles.patch<N>(image, tile);
  const int64_t row = int64_t{image.width} * image.channels;
  const bool inside = patch.top == 0 && patch.left == 0 && patch.bottom == N && patch.right == N;
  for (int c = 0; c < image.channels; c += kLanes) {
    const int lanes = std::min(kLanes, image.channels - c);
    Lanes x[N][N], v[patch_size][patch_size];
    if (inside && lanes == kLanes) {
#pragma GCC unroll 8
      for (int i = 0; i < N; ++i)
#pragma GCC unroll 8
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
#pragma GCC unroll 8
    for (int i = 0; i < patch_size; ++i)
#pragma GCC unroll 8
      for (int j = 0; j < patch_size; ++j) simd::store(out + (i * patch_size + j) * layout.point, v[i][j]);
  }
}

}  // namespace fovea::kernels::winograd
