// The launch shapes, each with a GPU and a CPU form. The only file with <<<…>>>. A kernel is a named functor:
//
//   for_each(queue, name, n, f)                    f(i)            i in [0, n)
//   for_each_2d(queue, name, rows, columns, f)     f(row, column)  never a division an element
//   for_each_pack<N>(queue, name, n, f, aligned)   f.operator()<W>(i): elements i … i + W − 1, W = N or 1 (tail, CPU)
//   for_row_packs<N>(queue, name, rows, columns, f, aligned)
//                                                  f.row(row).operator()<W>(column): what f.row() works out is shared
//                                                  by the row's columns (on the CPU; each GPU thread works it out anew)
//   for_rows<BLOCK>(queue, name, rows, f)          f(block, row, shared): one block of threads a row (kernels/block.h);
//                                                  f declares `struct Shared` (or `using Shared = NoShared`), its
//                                                  scratch
//
// n = 0 launches nothing. Elements, and rows, are independent of one another: they run in any order.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/block.h"
#include "kernels/fiber.h"
#include "kernels/queue.h"

#if defined(__CUDACC__)
#include "kernels/cuda_check.h"
#endif

namespace fovea {

// Whether every pointer may be accessed in packs of `bytes`.
template <class... P>
bool all_aligned(size_t bytes, const P*... pointers) {
  return ((reinterpret_cast<uintptr_t>(pointers) % bytes == 0) && ...);
}

namespace launch {

inline constexpr int64_t kSerialBelow = 4096;  // elements under which waking the other cores costs more than it brings
inline constexpr int64_t kColumnChunk = 4096;
inline constexpr int64_t kDynamicBelow = 1024;  // rows under which uneven ones are handed out one by one

template <class F>
void each_on_cpu(Way way, int64_t n, const F& f) {
  if (way == Way::FibersBackward) {
    for (int64_t i = n - 1; i >= 0; --i) f(i);
    return;
  }
  const int64_t chunks = (n + kColumnChunk - 1) / kColumnChunk;
#pragma omp parallel for schedule(static) if (n >= kSerialBelow)
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t first = chunk * kColumnChunk, last = std::min(n, first + kColumnChunk);
    const F own = f;  // a copy whose members no store can change: without it nothing is vectorised
#pragma omp simd
    for (int64_t i = first; i < last; ++i) own(i);
  }
}

template <class F>
void each_2d_on_cpu(int64_t rows, int64_t columns, const F& f) {
  const int64_t chunks = (columns + kColumnChunk - 1) / kColumnChunk;
#pragma omp parallel for schedule(static) if (rows * columns >= kSerialBelow)
  for (int64_t task = 0; task < rows * chunks; ++task) {
    const int64_t row = task / chunks, first = task % chunks * kColumnChunk;
    const int64_t last = std::min(columns, first + kColumnChunk);
    const F own = f;
#pragma omp simd
    for (int64_t column = first; column < last; ++column) own(row, column);
  }
}

template <int W, class F>
void row_packs_on_cpu(int64_t rows, int64_t columns, const F& f) {
  static_assert(kColumnChunk % W == 0);
  const int64_t chunks = (columns + kColumnChunk - 1) / kColumnChunk;
#pragma omp parallel for schedule(static) if (rows * columns >= kSerialBelow)
  for (int64_t task = 0; task < rows * chunks; ++task) {
    const int64_t first = task % chunks * kColumnChunk, last = std::min(columns, first + kColumnChunk);
    const int64_t packs_end = first + (last - first) / W * W;
    const auto at_row = f.row(task / chunks);
    if constexpr (W > 1)
      for (int64_t column = first; column < packs_end; column += W) at_row.template operator()<W>(column);
#pragma omp simd
    for (int64_t column = W > 1 ? packs_end : first; column < last; ++column) at_row.template operator()<1>(column);
  }
}

// Functors whose columns hold a loop of their own are not vectorised over columns, but over the elements of a pack:
// they ask for that with `static constexpr int kCpuPack`.
template <class F>
constexpr int cpu_pack() {
  if constexpr (requires { F::kCpuPack; })
    return F::kCpuPack;
  else
    return 1;
}

template <class F>
void rows_on_cpu(int64_t rows, const F& f) {
  if (rows < kDynamicBelow) {
#pragma omp parallel for schedule(dynamic, 1) if (rows > 1)
    for (int64_t row = 0; row < rows; ++row) {
      SerialBlock block;
      typename F::Shared shared;
      f(block, row, shared);
    }
  } else {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; ++row) {
      SerialBlock block;
      typename F::Shared shared;
      f(block, row, shared);
    }
  }
}

template <int BLOCK, class F>
void rows_on_fibers(Way way, uint64_t seed, int64_t rows, const F& f) {
  FiberScheduler& scheduler = FiberScheduler::of_this_thread(BLOCK);
  uint64_t scratch[kMaxWarps];
  auto shared = std::make_unique<typename F::Shared>();
  for (int64_t row = 0; row < rows; ++row) {
    // NaN in every float: what is read before it was written shows.
    std::memset(scratch, 0xff, sizeof(scratch));
    std::memset(static_cast<void*>(shared.get()), 0xff, sizeof(typename F::Shared));
    scheduler.run(way, seed + static_cast<uint64_t>(row), [&](int thread) {
      FiberBlock<BLOCK> block(scheduler, scratch, thread);
      f(block, row, *shared);
    });
  }
}

#if defined(__CUDACC__)
inline constexpr int kThreads = 256;
inline constexpr int64_t kMaxGrid = 65535;
inline constexpr int kResidentThreads = 1024;  // that an SM shall hold, at least: 64 registers each

// As kResidentThreads, but for a functor that says otherwise (`static constexpr int kResidentThreads`). Left without a
// bound, ptxas spills rarely used values so that an SM holds more.
template <class F>
constexpr int resident_threads() {
  if constexpr (requires { F::kResidentThreads; })
    return F::kResidentThreads;
  else
    return kResidentThreads;
}

template <class F>
__global__ void __launch_bounds__(kThreads, kResidentThreads / kThreads) each_kernel(F f, int64_t n) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n; i += step) f(i);
}

template <class F>
__global__ void __launch_bounds__(kThreads, kResidentThreads / kThreads)
    each_2d_kernel(F f, int64_t rows, int64_t columns) {
  const int64_t column = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  const int64_t step = int64_t{gridDim.y} * blockDim.y;
  for (int64_t row = int64_t{blockIdx.y} * blockDim.y + threadIdx.y; row < rows; row += step) f(row, column);
}

template <int N, class F>
__global__ void __launch_bounds__(kThreads, kResidentThreads / kThreads) pack_kernel(F f, int64_t n) {
  const int64_t packs = n / N, step = int64_t{gridDim.x} * kThreads;
  const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  for (int64_t p = thread; p < packs; p += step) f.template operator()<N>(p * N);
  if (thread < n - packs * N) f.template operator()<1>(packs * N + thread);
}

template <int BLOCK, class F, int BLOCKS = resident_threads<F>() / BLOCK>
__global__ void __launch_bounds__(BLOCK, BLOCKS) rows_kernel(F f, int64_t rows) {
  __shared__ uint64_t scratch[kMaxWarps];
  __shared__ typename F::Shared shared;
  GpuBlock<BLOCK> block(scratch);
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    f(block, row, shared);
    block.sync();  // `shared` belongs to the next row from here on
  }
}

inline unsigned grid_for(int64_t blocks) { return static_cast<unsigned>(std::min(blocks, kMaxGrid)); }
inline cudaStream_t stream_of(const Queue& queue) { return static_cast<cudaStream_t>(queue.stream()); }
#endif

}  // namespace launch

template <class F>
void for_each(Queue& queue, const char* name, int64_t n, const F& f) {
  if (n <= 0) return;
#if defined(__CUDACC__)
  if (queue.on_cuda()) {
    launch::each_kernel<<<launch::grid_for((n + launch::kThreads - 1) / launch::kThreads), launch::kThreads, 0,
                          launch::stream_of(queue)>>>(f, n);
    return cuda_check(cudaGetLastError(), name);
  }
#endif
  queue.submit(name, [f, n, way = queue.way()] { launch::each_on_cpu(way, n, f); });
}

template <class F>
void for_each_2d(Queue& queue, const char* name, int64_t rows, int64_t columns, const F& f) {
  if (rows <= 0 || columns <= 0) return;
#if defined(__CUDACC__)
  if (queue.on_cuda()) {
    unsigned wide = 8;  // threads along a row: no more than it needs, the others take further rows
    while (wide < columns && wide < launch::kThreads) wide *= 2;
    const dim3 block(wide, launch::kThreads / wide);
    const dim3 grid(static_cast<unsigned>((columns + wide - 1) / wide),
                    launch::grid_for((rows + block.y - 1) / block.y));
    launch::each_2d_kernel<<<grid, block, 0, launch::stream_of(queue)>>>(f, rows, columns);
    return cuda_check(cudaGetLastError(), name);
  }
#endif
  queue.submit(name, [f, rows, columns] { launch::each_2d_on_cpu(rows, columns, f); });
}

namespace launch {
template <class F>
struct ScalarPack {  // the tail's form for every element: what the CPU vectorises best
  F f;
  FN void operator()(int64_t i) const { f.template operator()<1>(i); }
};
}  // namespace launch

// `aligned`: every pointer of `f` is aligned to its pack (all_aligned(16, …)); otherwise elements go one by one.
template <int N, class F>
void for_each_pack(Queue& queue, const char* name, int64_t n, const F& f, bool aligned) {
  if (n <= 0) return;
#if defined(__CUDACC__)
  if (queue.on_cuda() && aligned) {
    launch::pack_kernel<N><<<launch::grid_for((n / N + launch::kThreads) / launch::kThreads), launch::kThreads, 0,
                             launch::stream_of(queue)>>>(f, n);
    return cuda_check(cudaGetLastError(), name);
  }
#endif
  if (queue.way() != Way::Fast && aligned) {
    queue.submit(name, [f, n] {
      for (int64_t i = 0; i + N <= n; i += N) f.template operator()<N>(i);
      for (int64_t i = n / N * N; i < n; ++i) f.template operator()<1>(i);
    });
    return;
  }
  for_each(queue, name, n, launch::ScalarPack<F>{f});
}

namespace launch {
template <int W, class F>
struct PackAtRow {
  F f;
  FN void operator()(int64_t row, int64_t pack) const { f.row(row).template operator()<W>(pack * W); }
};
}  // namespace launch

// `aligned` as above; packs are taken where they also divide a row.
template <int N, class F>
void for_row_packs(Queue& queue, const char* name, int64_t rows, int64_t columns, const F& f, bool aligned) {
  if (rows <= 0 || columns <= 0) return;
  const bool packs = aligned && columns % N == 0;
#if defined(__CUDACC__)
  if (queue.on_cuda()) {
    if (packs) return for_each_2d(queue, name, rows, columns / N, launch::PackAtRow<N, F>{f});
    return for_each_2d(queue, name, rows, columns, launch::PackAtRow<1, F>{f});
  }
#endif
  if (!packs)
    queue.submit(name, [f, rows, columns] { launch::row_packs_on_cpu<1>(rows, columns, f); });
  else if (queue.way() == Way::Fast)
    queue.submit(name, [f, rows, columns] { launch::row_packs_on_cpu<launch::cpu_pack<F>()>(rows, columns, f); });
  else
    queue.submit(name, [f, rows, columns] { launch::row_packs_on_cpu<N>(rows, columns, f); });
}

template <int BLOCK, class F>
void for_rows(Queue& queue, const char* name, int64_t rows, const F& f) {
  if (rows <= 0) return;
#if defined(__CUDACC__)
  if (queue.on_cuda()) {
    launch::rows_kernel<BLOCK><<<launch::grid_for(rows), BLOCK, 0, launch::stream_of(queue)>>>(f, rows);
    return cuda_check(cudaGetLastError(), name);
  }
#endif
  queue.submit(name, [f, rows, way = queue.way(), seed = queue.way_seed()] {
    if (way == Way::Fast)
      launch::rows_on_cpu(rows, f);
    else
      launch::rows_on_fibers<BLOCK>(way, seed, rows, f);
  });
}

}  // namespace fovea
