// Sums down the columns of a matrix of rows (the channels of an NHWC tensor), several at once, in fp64 and in a fixed
// order: chunks of rows first, then the chunks' partial sums one after the other. Same bits for any number of threads.
//
// The matrix is [segments · rows, columns]; each segment (an image, or all there is) gets sums of its own. Functors:
//   terms:   static constexpr int kSums;
//            terms.operator()<W>(row, column, sums): adds the terms of elements [row, column … column + W − 1] to
//            double sums[kSums][W]; row counts over all segments. It sees each element once and may write it.
//   finish:  finish(segment, column, const double (&sums)[kSums])
#pragma once
#include "kernels/launch.h"

namespace fovea::kernels {
namespace column_reduce_detail {

inline constexpr int64_t kChunkRows = 256;
inline constexpr int kTile = 64;  // columns a block, GPU
inline constexpr int kBlock = 128;
inline constexpr int kUnroll = 4;  // rows between two accesses of the accumulators, CPU
inline constexpr int kFoldTile = 32;

template <int W, class Terms>
struct SumChunk {
  static constexpr int kSums = Terms::kSums, kLanes = kTile / W, kPhases = kBlock / kLanes;
  Terms terms;
  int64_t rows, columns, chunks, tiles;
  double* partial;  // [segments, chunks, kSums, columns]

  struct Shared {
    double sums[kSums][kPhases][kTile];
  };

  template <class Block>
  FN void operator()(Block& block, int64_t task, Shared& shared) const {
    const int64_t tile = task % tiles, chunk = task / tiles % chunks, segment = task / tiles / chunks;
    const int64_t first = segment * rows + chunk * kChunkRows;
    const int64_t left = rows - chunk * kChunkRows, count = left < kChunkRows ? left : kChunkRows;
    double* out = partial + (segment * chunks + chunk) * kSums * columns;
    if constexpr (Block::size() == 1) {
      for (int64_t i = 0; i < kSums * columns; ++i) out[i] = 0;
      int64_t row = first;
      for (; row + kUnroll <= first + count; row += kUnroll) add_rows<kUnroll>(row, out);
      for (; row < first + count; ++row) add_rows<1>(row, out);
    } else {
      const int lane = block.thread() % kLanes, phase = block.thread() / kLanes;
      const int64_t column = tile * kTile + lane * W;
      double sums[kSums][W] = {};
      if (column < columns)
        for (int64_t row = phase; row < count; row += kPhases) terms.template operator()<W>(first + row, column, sums);
      for (int q = 0; q < kSums; ++q)
        for (int k = 0; k < W; ++k) shared.sums[q][phase][lane * W + k] = sums[q][k];
      block.sync();
      for (int i = block.thread(); i < kSums * kTile; i += block.size()) {
        const int q = i / kTile, c = i % kTile;
        double total = 0;
        for (int p = 0; p < kPhases; ++p) total += shared.sums[q][p][c];
        if (tile * kTile + c < columns) out[q * columns + tile * kTile + c] = total;
      }
    }
  }

  template <int ROWS>
  FN void add_rows(int64_t row, double* out) const {
#pragma omp simd
    for (int64_t column = 0; column < columns; ++column) {
      double sums[kSums][1];
      for (int q = 0; q < kSums; ++q) sums[q][0] = out[q * columns + column];
      for (int r = 0; r < ROWS; ++r) terms.template operator()<1>(row + r, column, sums);
      for (int q = 0; q < kSums; ++q) out[q * columns + column] = sums[q][0];
    }
  }
};

template <int SUMS, class Finish>
struct FoldChunks {
  static constexpr int kPhases = kBlock / kFoldTile;
  Finish finish;
  int64_t columns, chunks, tiles;
  const double* partial;

  struct Shared {
    double sums[SUMS][kPhases][kFoldTile];
  };

  template <class Block>
  FN void operator()(Block& block, int64_t task, Shared& shared) const {
    constexpr int kLanes = Block::size() == 1 ? 1 : kFoldTile, kUsed = Block::size() / kLanes;
    const int64_t segment = task / tiles, first = task % tiles * kFoldTile;
    const int lane = block.thread() % kLanes, phase = block.thread() / kLanes;
    const int width = static_cast<int>(columns - first < kFoldTile ? columns - first : kFoldTile);
    for (int q = 0; q < SUMS; ++q)
      for (int c = lane; c < width; c += kLanes) {
        double total = 0;
        for (int64_t chunk = phase; chunk < chunks; chunk += kUsed)
          total += partial[((segment * chunks + chunk) * SUMS + q) * columns + first + c];
        shared.sums[q][phase][c] = total;
      }
    block.sync();
    for (int c = block.thread(); c < width; c += block.size()) {
      double sums[SUMS] = {};
      for (int q = 0; q < SUMS; ++q)
        for (int p = 0; p < kUsed; ++p) sums[q] += shared.sums[q][p][c];
      finish(segment, first + c, sums);
    }
  }
};

}  // namespace column_reduce_detail

// `aligned`: every matrix that `terms` accesses is aligned to its pack of N elements.
template <int N, class Terms, class Finish>
void column_reduce(Queue& queue, const char* name, int64_t segments, int64_t rows, int64_t columns, const Terms& terms,
                   const Finish& finish, bool aligned) {
  using namespace column_reduce_detail;
  if (segments <= 0 || columns <= 0) return;
  const int64_t chunks = (rows + kChunkRows - 1) / kChunkRows;
  const bool on_blocks = queue.on_cuda() || queue.way() != Way::Fast;  // the CPU takes whole rows
  const int64_t tiles = on_blocks ? (columns + kTile - 1) / kTile : 1;
  const int64_t fold_tiles = (columns + kFoldTile - 1) / kFoldTile;
  const size_t bytes = sizeof(double) * segments * chunks * Terms::kSums * columns;
  const bool packs = on_blocks && aligned && columns % N == 0;
  queue.with_workspace(bytes, [=, &queue](void* workspace) {
    double* partial = static_cast<double*>(workspace);
    if (packs)
      for_rows<kBlock>(queue, name, segments * chunks * tiles,
                       SumChunk<N, Terms>{terms, rows, columns, chunks, tiles, partial});
    else
      for_rows<kBlock>(queue, name, segments * chunks * tiles,
                       SumChunk<1, Terms>{terms, rows, columns, chunks, tiles, partial});
    for_rows<kBlock>(queue, name, segments * fold_tiles,
                     FoldChunks<Terms::kSums, Finish>{finish, columns, chunks, fold_tiles, partial});
  });
}

}  // namespace fovea::kernels
