// The loops that launch shapes (kernels/launch/launch.h) are on the CPU: spread over the cores, vectorized; or, in
// tests, the GPU's threads as fibers.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>

#include "kernels/device/queue.h"
#include "kernels/launch/block.h"
#include "kernels/launch/fiber.h"
#include "kernels/launch/math.h"

namespace fovea {

namespace launch {

inline constexpr int64_t kSerialBelow = 4096;  // elements under which waking the other cores costs more than it brings
inline constexpr int64_t kColumnChunk = 4096;
inline constexpr int64_t kDynamicBelow = 1024;  // rows under which uneven ones are handed out one by one

template <class F>
void each_on_cpu(ExecutionMode way, int64_t n, const F& f) {
  if (way == ExecutionMode::FibersReversed) {
    for (int64_t i = n - 1; i >= 0; --i) f(i);
    return;
  }
  const int64_t chunks = ceil_div(n, kColumnChunk);
#pragma omp parallel for schedule(static) if (n >= kSerialBelow)
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t first = chunk * kColumnChunk, last = std::min(n, first + kColumnChunk);
    const F own = f;  // a copy whose members no store can change: without it nothing is vectorized
#pragma omp simd
    for (int64_t i = first; i < last; ++i) own(i);
  }
}

template <class F>
void each_2d_on_cpu(int64_t rows, int64_t columns, const F& f) {
  const int64_t chunks = ceil_div(columns, kColumnChunk);
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
  const int64_t chunks = ceil_div(columns, kColumnChunk);
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

// Functors whose columns hold a loop of their own are not vectorized over columns, but over the elements of a pack:
// they ask for that with `static constexpr int kCpuPack`.
template <class F>
constexpr int cpu_pack() {
  if constexpr (requires { F::kCpuPack; })
    return F::kCpuPack;
  else
    return 1;
}

// Called, so that it compiles once and not in both loops below.
template <class F>
[[gnu::noinline]] void row_on_cpu(int64_t row, const F& f) {
  SerialBlock block;
  typename F::Shared shared;
  f(block, row, shared);
}

template <class F>
void spread_rows(int64_t rows, const F& f) {
  if (rows < kDynamicBelow) {
#pragma omp parallel for schedule(dynamic, 1) if (rows > 1)
    for (int64_t row = 0; row < rows; ++row) row_on_cpu(row, f);
  } else {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; ++row) row_on_cpu(row, f);
  }
}

// A functor whose rows are cut up for the GPU's sake says what the CPU takes in their place: `auto cpu_form(int64_t&
// rows)`.
template <class F>
void rows_on_cpu(int64_t rows, const F& f) {
  if constexpr (requires { f.cpu_form(rows); }) {
    const auto whole = f.cpu_form(rows);
    spread_rows(rows, whole);
  } else {
    spread_rows(rows, f);
  }
}

template <int BLOCK, class F>
void rows_on_fibers(ExecutionMode way, uint64_t seed, int64_t rows, const F& f) {
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

}  // namespace launch

}  // namespace fovea
