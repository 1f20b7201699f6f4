// The launch shapes, each with a GPU and a CPU form. The only file with <<<…>>>. A kernel is a named functor:
//
//   for_each(queue, name, n, f)                    f(i)            i in [0, n)
//   for_each_2d(queue, name, rows, columns, f)     f(row, column)  never a division an element
//   for_each_pack<N>(queue, name, n, f, aligned)   f.operator()<W>(i): elements i … i + W − 1, W = N or 1 (tail, CPU)
//   for_row_packs<N>(queue, name, rows, columns, f, aligned)
//                                                  f.row(row).operator()<W>(column): what f.row() works out is shared
//                                                  by the row's columns (on the CPU; each GPU thread works it out anew)
//   for_rows<BLOCK>(queue, name, rows, f)          f(block, row, shared): one block of threads a row
//   (kernels/launch/block.h);
//                                                  f declares `struct Shared` (or `using Shared = NoShared`), its
//                                                  scratch
//
// n = 0 launches nothing. Elements, and rows, are independent of one another: they run in any order.
//
// Each __global__ function has a struct beside it that pairs it with its CPU form: launch::run() launches by it, and
// lists the pair in kernels/launch/cpu_kernel.h.
#pragma once
#include "kernels/launch/launch_cpu.h"
#include "kernels/launch/math.h"  // IWYU pragma: export

#if defined(__CUDACC__)
#include "kernels/device/cuda_check.h"
#include "kernels/launch/cpu_kernel.h"
#endif

namespace fovea {

// Whether every pointer may be accessed in packs of `bytes`.
template <class... P>
bool all_aligned(size_t bytes, const P*... pointers) {
  return ((reinterpret_cast<uintptr_t>(pointers) % bytes == 0) && ...);
}

namespace launch {

template <class F>
struct ScalarPack {  // the tail's form for every element: what the CPU vectorizes best
  F f;
  FOVEA_HD void operator()(int64_t i) const { f.template operator()<1>(i); }
};

template <int W, class F>
struct PackAtRow {
  F f;
  FOVEA_HD void operator()(int64_t row, int64_t pack) const { f.row(row).template operator()<W>(pack * W); }
};

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

inline unsigned grid_for(int64_t blocks) { return static_cast<unsigned>(std::min(blocks, kMaxGrid)); }

template <class F>
__global__ void __launch_bounds__(kThreads, kResidentThreads / kThreads) each_kernel(F f, int64_t n) {
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < n; i += step) f(i);
}
template <class F>
struct Each {
  static auto global() { return &each_kernel<F>; }
  static void on_cpu(const F& f, int64_t n) { each_on_cpu(ExecutionMode::Vectorized, n, f); }
};

template <class F>
__global__ void __launch_bounds__(kThreads, kResidentThreads / kThreads)
    each_2d_kernel(F f, int64_t rows, int64_t columns) {
  const int64_t column = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  const int64_t step = int64_t{gridDim.y} * blockDim.y;
  for (int64_t row = int64_t{blockIdx.y} * blockDim.y + threadIdx.y; row < rows; row += step) f(row, column);
}
template <class F>
struct Each2d {
  static auto global() { return &each_2d_kernel<F>; }
  static void on_cpu(const F& f, int64_t rows, int64_t columns) { each_2d_on_cpu(rows, columns, f); }
};
template <int W, class F>
struct Each2d<PackAtRow<W, F>> {  // of for_row_packs
  static auto global() { return &each_2d_kernel<PackAtRow<W, F>>; }
  static void on_cpu(const PackAtRow<W, F>& packs, int64_t rows, int64_t columns) {
    row_packs_on_cpu<W == 1 ? 1 : cpu_pack<F>()>(rows, columns * W, packs.f);
  }
};

template <int N, class F>
__global__ void __launch_bounds__(kThreads, kResidentThreads / kThreads) pack_kernel(F f, int64_t n) {
  const int64_t packs = n / N, step = int64_t{gridDim.x} * kThreads;
  const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  for (int64_t p = thread; p < packs; p += step) f.template operator()<N>(p * N);
  if (thread < n - packs * N) f.template operator()<1>(packs * N + thread);
}
template <int N, class F>
struct EachPack {
  static auto global() { return &pack_kernel<N, F>; }
  static void on_cpu(const F& f, int64_t n) { each_on_cpu(ExecutionMode::Vectorized, n, ScalarPack<F>{f}); }
};

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
template <int BLOCK, class F>
struct Rows {
  static auto global() { return &rows_kernel<BLOCK, F>; }
  static void on_cpu(const F& f, int64_t rows) { rows_on_cpu(rows, f); }
};

inline std::string sizes_of(dim3 grid, dim3 block, std::initializer_list<int64_t> sizes) {
  std::string text;
  for (const int64_t size : sizes) text += (text.empty() ? "" : " x ") + std::to_string(size);
  const auto by = [](dim3 d) {
    return std::to_string(d.x) + " x " + std::to_string(d.y) + " x " + std::to_string(d.z);
  };
  return text + ", grid " + by(grid) + ", block " + by(block);
}

// The one launch. Kernel: a struct as above; sizes: the integers among the arguments, for the text of errors.
template <class Kernel, class F, class... Size>
void run(Queue& queue, const char* name, dim3 grid, dim3 block, const F& f, Size... sizes) {
  static_cast<void>(&Registered<Kernel>::form);  // its use is what puts it on the list
  queue.submit(name, [&] {
    const auto kernel = Kernel::global();
    kernel<<<grid, block, 0, static_cast<cudaStream_t>(queue.stream())>>>(f, sizes...);
    const cudaError_t status = cudaGetLastError();
    if (status != cudaSuccess)
      throw cuda_error(status, "kernel " + std::string(name) + " (" + sizes_of(grid, block, {sizes...}) + ")");
  });
}
#endif

}  // namespace launch

template <class F>
void for_each(Queue& queue, const char* name, int64_t n, const F& f) {
  if (n <= 0) return;
#if defined(__CUDACC__)
  if (queue.on_cuda())
    return launch::run<launch::Each<F>>(queue, name, launch::grid_for(ceil_div(n, launch::kThreads)), launch::kThreads,
                                        f, n);
#endif
  queue.submit(name, [f, n, way = queue.execution_mode()] { launch::each_on_cpu(way, n, f); });
}

template <class F>
void for_each_2d(Queue& queue, const char* name, int64_t rows, int64_t columns, const F& f) {
  if (rows <= 0 || columns <= 0) return;
#if defined(__CUDACC__)
  if (queue.on_cuda()) {
    unsigned wide = 8;  // threads along a row: no more than it needs, the others take further rows
    while (wide < columns && wide < launch::kThreads) wide *= 2;
    const dim3 block(wide, launch::kThreads / wide);
    const dim3 grid(static_cast<unsigned>(ceil_div(columns, wide)), launch::grid_for(ceil_div(rows, block.y)));
    return launch::run<launch::Each2d<F>>(queue, name, grid, block, f, rows, columns);
  }
#endif
  queue.submit(name, [f, rows, columns] { launch::each_2d_on_cpu(rows, columns, f); });
}

// `aligned`: every pointer of `f` is aligned to its pack (all_aligned(16, …)); otherwise elements go one by one.
template <int N, class F>
void for_each_pack(Queue& queue, const char* name, int64_t n, const F& f, bool aligned) {
  if (n <= 0) return;
#if defined(__CUDACC__)
  if (queue.on_cuda() && aligned)
    return launch::run<launch::EachPack<N, F>>(
        queue, name, launch::grid_for((n / N + launch::kThreads) / launch::kThreads), launch::kThreads, f, n);
#endif
  if (queue.execution_mode() != ExecutionMode::Vectorized && aligned) {
    queue.submit(name, [f, n] {
      for (int64_t i = 0; i + N <= n; i += N) f.template operator()<N>(i);
      for (int64_t i = n / N * N; i < n; ++i) f.template operator()<1>(i);
    });
    return;
  }
  for_each(queue, name, n, launch::ScalarPack<F>{f});
}

// `aligned` as above; packs are taken where they also divide a row.
template <int N, class F>
void for_row_packs(Queue& queue, const char* name, int64_t rows, int64_t columns, const F& f, bool aligned) {
  if (rows <= 0 || columns <= 0) return;
  const bool packs = N > 1 && aligned && columns % N == 0;
#if defined(__CUDACC__)
  if (queue.on_cuda()) {
    if (packs) return for_each_2d(queue, name, rows, columns / N, launch::PackAtRow<N, F>{f});
    return for_each_2d(queue, name, rows, columns, launch::PackAtRow<1, F>{f});
  }
#endif
  if (!packs)
    queue.submit(name, [f, rows, columns] { launch::row_packs_on_cpu<1>(rows, columns, f); });
  else if (queue.execution_mode() == ExecutionMode::Vectorized)
    queue.submit(name, [f, rows, columns] { launch::row_packs_on_cpu<launch::cpu_pack<F>()>(rows, columns, f); });
  else
    queue.submit(name, [f, rows, columns] { launch::row_packs_on_cpu<N>(rows, columns, f); });
}

template <int BLOCK, class F>
void for_rows(Queue& queue, const char* name, int64_t rows, const F& f) {
  if (rows <= 0) return;
#if defined(__CUDACC__)
  if (queue.on_cuda()) return launch::run<launch::Rows<BLOCK, F>>(queue, name, launch::grid_for(rows), BLOCK, f, rows);
#endif
  queue.submit(name, [f, rows, way = queue.execution_mode(), seed = queue.mode_seed()] {
    if (way == ExecutionMode::Vectorized)
      launch::rows_on_cpu(rows, f);
    else
      launch::rows_on_fibers<BLOCK>(way, seed, rows, f);
  });
}

}  // namespace fovea
