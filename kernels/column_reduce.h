// Sums down the columns of a matrix of rows (the channels of an NHWC tensor), several at once, in fp64 and in a fixed
// order: chunks of rows first, then the chunks' partial sums one after the other. Same bits for any number of threads.
//
// The matrix is [segments · rows, columns]; each segment (an image, or all there is) gets sums of its own. Functors:
//   terms:   static constexpr int kSums; using Sum = float or double: the type in which the first few rows are summed
//            (16 on the CPU, at most kChunkRows on the GPU) before they go on in fp64;
//            terms.operator()<W>(row, column, sums): adds the terms of elements [row, column … column + W − 1] to
//            Sum sums[kSums][W]; row counts over all segments. It sees each element once and may write it.
//   finish:  finish(segment, column, const double (&sums)[kSums])
// Call it with the workspace that Queue::with_workspace gives: kernels/activation.cu shows how.
#pragma once
#include "kernels/launch.h"

namespace fovea::kernels {
namespace column_reduce_detail {

inline constexpr int64_t kChunkRows = 256;
inline constexpr int kTile = 64;  // columns a block, GPU
inline constexpr int kBlock = 128;
inline constexpr int kSerialTile = 512;  // columns whose accumulators stay in cache, CPU
inline constexpr int kSerialRows = 16;   // rows that are summed before their sum goes on in fp64, CPU
inline constexpr int kFoldTile = 32, kFoldBlock = 512;

template <int W, class Terms>
struct SumChunk {
  using Sum = typename Terms::Sum;
  static constexpr int kSums = Terms::kSums, kLanes = kTile / W, kPhases = kBlock / kLanes;
  Terms terms;
  int64_t rows, columns, chunks, tiles;
  double* partial;  // [segments, chunks, kSums, columns]

  struct Shared {
    double sums[kSums][kPhases][kTile];
  };

  SumChunk cpu_form(int64_t& tasks) const {  // the CPU takes whole rows
    SumChunk whole = *this;
    whole.tiles = 1;
    tasks /= tiles;
    return whole;
  }

  template <class Block>
  FN void operator()(Block& block, int64_t task, Shared& shared) const {
    const int64_t tile = task % tiles, chunk = task / tiles % chunks, segment = task / tiles / chunks;
    const int64_t first = segment * rows + chunk * kChunkRows;
    const int64_t left = rows - chunk * kChunkRows, count = left < kChunkRows ? left : kChunkRows;
    double* out = partial + (segment * chunks + chunk) * kSums * columns;
    if constexpr (Block::size() == 1) {
      if (tile != 0) return;  // one thread takes whole rows, as memory lies
      for (int64_t column = 0; column < columns; column += kSerialTile) {
        const int64_t left = columns - column;
        add_tile(first, count, column, left < kSerialTile ? left : kSerialTile, out + column);
      }
    } else {
      const int lane = block.thread() % kLanes, phase = block.thread() / kLanes;
      const int64_t column = tile * kTile + lane * W;
      Sum sums[kSums][W] = {};
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

  // A function of its own, or the compiler takes two rows at a time: half as fast, for the hardware prefetches one
  // stream well and not two.
  FN_APART static void add_row(const Terms& terms, int64_t row, int64_t column, int64_t width,
                               Sum (*sums)[kSerialTile]) {
    const Terms own = terms;  // a copy whose members no store can change
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) {
      Sum term[kSums][1];
      for (int q = 0; q < kSums; ++q) term[q][0] = sums[q][c];
      own.template operator()<1>(row, column + c, term);
      for (int q = 0; q < kSums; ++q) sums[q][c] = term[q][0];
    }
  }

  // Row after row, as memory lies; the accumulators stay in the L1 cache.
  FN void add_tile(int64_t first, int64_t count, int64_t column, int64_t width, double* out) const {
    Sum sums[kSums][kSerialTile];
    for (int q = 0; q < kSums; ++q)
      for (int64_t c = 0; c < width; ++c) out[q * columns + c] = 0;
    for (int64_t begin = 0; begin < count; begin += kSerialRows) {
      const int64_t end = begin + kSerialRows < count ? begin + kSerialRows : count;
      for (int q = 0; q < kSums; ++q)
        for (int64_t c = 0; c < width; ++c) sums[q][c] = 0;
      for (int64_t row = first + begin; row < first + end; ++row) add_row(terms, row, column, width, sums);
      for (int q = 0; q < kSums; ++q)
        for (int64_t c = 0; c < width; ++c) out[q * columns + c] += sums[q][c];
    }
  }
};

template <int SUMS, class Finish>
struct FoldChunks {
  static constexpr int kPhases = kFoldBlock / kFoldTile;
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

// The finish of a single sum: out[column] (+)= sum.
struct StoreColumn {
  float* out;
  bool accumulate;
  FN void operator()(int64_t, int64_t column, const double (&sums)[1]) const {
    out[column] = static_cast<float>(accumulate ? out[column] + sums[0] : sums[0]);
  }
};

// Bytes of workspace that column_reduce takes for `sums` sums.
inline size_t column_reduce_bytes(int64_t segments, int64_t rows, int64_t columns, int sums) {
  const int64_t chunks = (rows + column_reduce_detail::kChunkRows - 1) / column_reduce_detail::kChunkRows;
  return sizeof(double) * static_cast<size_t>(segments * chunks * columns * sums);
}

// `aligned`: every matrix that `terms` accesses is aligned to its pack of N elements.
template <int N, class Terms, class Finish>
void column_reduce(Queue& queue, const char* name, int64_t segments, int64_t rows, int64_t columns, const Terms& terms,
                   const Finish& finish, bool aligned, void* workspace) {
  using namespace column_reduce_detail;
  if (segments <= 0 || columns <= 0) return;
  const int64_t chunks = (rows + kChunkRows - 1) / kChunkRows;
  const int64_t tiles = (columns + kTile - 1) / kTile;
  const int64_t fold_tiles = (columns + kFoldTile - 1) / kFoldTile;
  double* partial = static_cast<double*>(workspace);
  if (aligned && columns % N == 0)
    for_rows<kBlock>(queue, name, segments * chunks * tiles,
                     SumChunk<N, Terms>{terms, rows, columns, chunks, tiles, partial});
  else
    for_rows<kBlock>(queue, name, segments * chunks * tiles,
                     SumChunk<1, Terms>{terms, rows, columns, chunks, tiles, partial});
  for_rows<kFoldBlock>(queue, name, segments * fold_tiles,
                       FoldChunks<Terms::kSums, Finish>{finish, columns, chunks, fold_tiles, partial});
}

}  // namespace fovea::kernels
