// total = Σ f(x): blocks of kReduceChunk elements each, then their partial sums. The chunks' size is fixed, so that the
// order of the additions depends on neither the number of threads nor that of blocks.
#include "kernels/reduce.h"

#include <limits>

#include "kernels/column_reduce.h"
#include "kernels/launch/math.h"
#include "kernels/launch/pack.h"

namespace fovea::kernels {
namespace {

constexpr int kReduceChunk = 16384;
constexpr int kReduceBlock = 256;

struct Value {
  using Sum = double;
  FOVEA_HD double operator()(float x) const { return x; }
};
struct Square {
  using Sum = double;
  FOVEA_HD double operator()(float x) const { return double{x} * x; }
};
struct Nonfinite {
  using Sum = int64_t;
  FOVEA_HD int64_t operator()(float x) const { return (x < 0 ? -x : x) <= std::numeric_limits<float>::max() ? 0 : 1; }
};

template <class Op>
struct SumChunk {
  const float* x;
  int64_t n;
  typename Op::Sum* partial;
  bool packs;  // x is aligned to 16 bytes
  using Shared = NoShared;
  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t chunk, Shared&) const {
    const float* from = x + chunk * kReduceChunk;
    const int64_t left = n - chunk * kReduceChunk;
    const int count = static_cast<int>(left < kReduceChunk ? left : kReduceChunk);
    typename Op::Sum total;
    if (Block::size() == 1 || !packs)
      total = block.sum(count, [=](int i) { return Op{}(from[i]); });
    else
      total = block.sum(of_packs(from, count, block.thread(), block.size()));
    if (block.thread() == 0) partial[chunk] = total;
  }

 private:
  // GPU: one thread's share; several packs are on their way at a time.
  FOVEA_HD typename Op::Sum of_packs(const float* from, int count, int thread, int threads) const {
    constexpr int kWidth = kPackWidth<float>;
    typename Op::Sum total = 0;
#pragma unroll 4
    for (int i = thread * kWidth; i + kWidth <= count; i += threads * kWidth) {
      const auto in = load_pack<kWidth>(from + i);
      for (int k = 0; k < kWidth; ++k) total += Op{}(in[k]);
    }
    const int rest = count / kWidth * kWidth + thread;
    return rest < count ? total + Op{}(from[rest]) : total;
  }
};

template <class Sum>
struct SumPartials {
  const Sum* partial;
  int count;
  Sum* total;
  using Shared = NoShared;
  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t, Shared&) const {
    const Sum sum = block.sum(count, [this](int i) { return partial[i]; });
    if (block.thread() == 0) *total = sum;
  }
};

template <class Op>
void reduce(Queue& queue, const char* name, int64_t n, const float* x, typename Op::Sum* total) {
  using Sum = typename Op::Sum;
  const int64_t chunks = ceil_div(n, kReduceChunk);
  queue.with_workspace(chunks * sizeof(Sum), [=, &queue](void* workspace) {
    Sum* partial = static_cast<Sum*>(workspace);
    for_rows<kReduceBlock>(queue, name, chunks, SumChunk<Op>{x, n, partial, all_aligned(16, x)});
    for_rows<kReduceBlock>(queue, name, 1, SumPartials<Sum>{partial, static_cast<int>(chunks), total});
  });
}

template <class T>
struct ColumnTerms {
  static constexpr int kSums = 1;
  using Sum = float;
  const T* x;
  int64_t columns;
  template <int W>
  FOVEA_HD void operator()(int64_t row, int64_t column, float (&sums)[kSums][W]) const {
    const auto in = load_pack<W>(x + row * columns + column);
    for (int k = 0; k < W; ++k) sums[0][k] += static_cast<float>(in[k]);
  }
};

}  // namespace

void sum(Queue& queue, int64_t n, const float* x, double* total) { reduce<Value>(queue, "sum", n, x, total); }

void sum_of_squares(Queue& queue, int64_t n, const float* x, double* total) {
  reduce<Square>(queue, "sum_of_squares", n, x, total);
}

void count_nonfinite(Queue& queue, int64_t n, const float* x, int64_t* count) {
  reduce<Nonfinite>(queue, "count_nonfinite", n, x, count);
}

template <class T>
void column_sum(Queue& queue, int64_t rows, int64_t columns, const T* x, float* sums, bool accumulate) {
  queue.with_workspace(column_reduce_bytes(1, rows, columns, 1), [=, &queue](void* workspace) {
    column_reduce<kPackWidth<T>>(queue, "column_sum", 1, rows, columns, ColumnTerms<T>{x, columns},
                                 StoreColumn{sums, accumulate}, all_aligned(16, x), workspace);
  });
}

template void column_sum<float>(Queue&, int64_t, int64_t, const float*, float*, bool);
template void column_sum<bfloat16>(Queue&, int64_t, int64_t, const bfloat16*, float*, bool);

}  // namespace fovea::kernels
