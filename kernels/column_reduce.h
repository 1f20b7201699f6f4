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
#include "kernels/launch/launch.h"
#include "kernels/launch/math.h"
#include "kernels/level_view.h"

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

  auto cpu_form(int64_t& tasks) const {  // the CPU takes whole rows, one element after the other
    tasks /= tiles;
    return SumChunk<1, Terms>{terms, rows, columns, chunks, 1, partial};
  }

  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t task, Shared& shared) const {
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
  FOVEA_HD_NOINLINE static void add_row(const Terms& terms, int64_t row, int64_t column, int64_t width,
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
  FOVEA_HD void add_tile(int64_t first, int64_t count, int64_t column, int64_t width, double* out) const {
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

// Where the partial sums of one matrix lie, or of several with the same columns, that are summed as one.
struct OneMatrix {
  const double* partial;
  int64_t chunks;
  FOVEA_HD const double* at(int64_t segment, int64_t chunk, int64_t row) const {
    return partial + (segment * chunks + chunk) * row;
  }
};
struct Matrices {
  const double* partial[kMaxLevels];
  int64_t chunks_of[kMaxLevels];
  int64_t chunks;  // of all
  FOVEA_HD const double* at(int64_t, int64_t chunk, int64_t row) const {
    int matrix = 0;
    for (; chunk >= chunks_of[matrix]; ++matrix) chunk -= chunks_of[matrix];
    return partial[matrix] + chunk * row;
  }
};

template <int SUMS, class Finish, class Partials>
struct ReduceChunks {
  static constexpr int kPhases = kFoldBlock / kFoldTile;
  Finish finish;
  int64_t columns, tiles;
  Partials partial;

  struct Shared {
    double sums[SUMS][kPhases][kFoldTile];
  };

  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t task, Shared& shared) const {
    constexpr int kLanes = Block::size() == 1 ? 1 : kFoldTile, kUsed = Block::size() / kLanes;
    const int64_t segment = task / tiles, first = task % tiles * kFoldTile;
    const int lane = block.thread() % kLanes, phase = block.thread() / kLanes;
    const int width = static_cast<int>(columns - first < kFoldTile ? columns - first : kFoldTile);
    for (int q = 0; q < SUMS; ++q)
      for (int c = lane; c < width; c += kLanes) {
        double total = 0;
        for (int64_t chunk = phase; chunk < partial.chunks; chunk += kUsed)
          total += partial.at(segment, chunk, SUMS * columns)[q * columns + first + c];
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
  FOVEA_HD void operator()(int64_t, int64_t column, const double (&sums)[1]) const {
    out[column] = static_cast<float>(accumulate ? out[column] + sums[0] : sums[0]);
  }
};

inline int64_t column_reduce_chunks(int64_t rows) { return ceil_div(rows, column_reduce_detail::kChunkRows); }
// Bytes of workspace that column_reduce takes for `sums` sums.
inline size_t column_reduce_bytes(int64_t segments, int64_t rows, int64_t columns, int sums) {
  return sizeof(double) * static_cast<size_t>(segments * column_reduce_chunks(rows) * columns * sums);
}

// The first half: leaves the chunks' sums in `partial`, of column_reduce_bytes().
// `aligned`: every matrix that `terms` accesses is aligned to its pack of N elements.
template <int N, class Terms>
void column_sums(Queue& queue, const char* name, int64_t segments, int64_t rows, int64_t columns, const Terms& terms,
                 bool aligned, double* partial) {
  using namespace column_reduce_detail;
  const int64_t chunks = column_reduce_chunks(rows), tiles = ceil_div(columns, kTile);
  if (aligned && columns % N == 0)
    for_rows<kBlock>(queue, name, segments * chunks * tiles,
                     SumChunk<N, Terms>{terms, rows, columns, chunks, tiles, partial});
  else
    for_rows<kBlock>(queue, name, segments * chunks * tiles,
                     SumChunk<1, Terms>{terms, rows, columns, chunks, tiles, partial});
}
// The second half.
template <int SUMS, class Finish, class Partials>
void fold_columns(Queue& queue, const char* name, int64_t segments, int64_t columns, const Finish& finish,
                  const Partials& partial) {
  using namespace column_reduce_detail;
  const int64_t tiles = ceil_div(columns, kFoldTile);
  for_rows<kFoldBlock>(queue, name, segments * tiles,
                       ReduceChunks<SUMS, Finish, Partials>{finish, columns, tiles, partial});
}

template <int N, class Terms, class Finish>
void column_reduce(Queue& queue, const char* name, int64_t segments, int64_t rows, int64_t columns, const Terms& terms,
                   const Finish& finish, bool aligned, void* workspace) {
  if (segments <= 0 || columns <= 0) return;
  double* partial = static_cast<double*>(workspace);
  column_sums<N>(queue, name, segments, rows, columns, terms, aligned, partial);
  fold_columns<Terms::kSums>(queue, name, segments, columns, finish,
                             column_reduce_detail::OneMatrix{partial, column_reduce_chunks(rows)});
}

}  // namespace fovea::kernels
