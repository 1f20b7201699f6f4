// The launch shapes and the fiber scheduler: every element once, and a missing barrier is seen.
#include "kernels/launch/launch.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "tests/support/catch.h"

using namespace fovea;

namespace {

constexpr ExecutionMode kFiberWays[] = {ExecutionMode::FibersInOrder, ExecutionMode::FibersReversed,
                                        ExecutionMode::FibersShuffled};

struct CountVisits {
  int* visits;
  FOVEA_HD void operator()(int64_t i) const { visits[i] += 1; }
};

struct CountVisits2d {
  int* visits;
  int64_t columns;
  FOVEA_HD void operator()(int64_t row, int64_t column) const { visits[row * columns + column] += 1; }
};

struct CountPacks {
  int* visits;
  template <int N>
  FOVEA_HD void operator()(int64_t i) const {
    for (int k = 0; k < N; ++k) visits[i + k] += N;
  }
};

struct CountRowPacks {
  int* visits;
  int64_t columns;
  struct AtRow {
    int* visits;
    template <int N>
    FOVEA_HD void operator()(int64_t column) const {
      for (int k = 0; k < N; ++k) visits[column + k] += N;
    }
  };
  FOVEA_HD AtRow row(int64_t row) const { return {visits + row * columns}; }
};

struct CountWideRowPacks : CountRowPacks {
  static constexpr int kCpuPack = 16;
};

// Reverses a row through shared memory: wrong without the barrier.
template <bool WITH_BARRIER>
struct ReverseRow {
  const float* in;
  float* out;
  struct Shared {
    float row[128];
  };
  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t row, Shared& shared) const {
    for (int i = block.thread(); i < 128; i += block.size()) shared.row[i] = in[row * 128 + i];
    if (WITH_BARRIER) block.sync();
    for (int i = block.thread(); i < 128; i += block.size()) out[row * 128 + i] = shared.row[127 - i];
  }
};

struct Reductions {
  const float* in;
  double* out;  // sum, max, min, scan of the last thread's element
  int n;
  using Shared = NoShared;
  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t row, Shared&) const {
    const float* x = in + row * n;
    const float sum = block.sum(n, [&](int i) { return x[i]; });
    const float max = block.max(n, [&](int i) { return x[i]; });
    float mine = 0, low = x[0];
    for (int i = block.thread(); i < n; i += block.size()) {
      mine += x[i];
      low = x[i] < low ? x[i] : low;
    }
    const float min = block.min(low);
    float total;
    const float before = block.exclusive_scan(mine, total);
    if (block.thread() == block.size() - 1) {
      out[row * 4] = sum;
      out[row * 4 + 1] = max;
      out[row * 4 + 2] = min;
      out[row * 4 + 3] = before + mine - total;  // 0: the last thread's inclusive scan is the total
    }
  }
};

struct DivergentBarrier {
  using Shared = NoShared;
  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t, Shared&) const {
    if (block.thread() < 3) block.sync();
  }
};

}  // namespace

TEST_CASE("launch shapes visit every element exactly once", "[launch]") {
  const int n = GENERATE(0, 1, 7, 8, 9, 4095, 20001);
  CAPTURE(n);
  for (const ExecutionMode way :
       {ExecutionMode::Vectorized, ExecutionMode::FibersInOrder, ExecutionMode::FibersReversed}) {
    Queue queue;
    queue.set_execution_mode(way);
    std::vector<int> visits(n + 1, 0);
    for_each(queue, "count", n, CountVisits{visits.data()});
    for_each_2d(queue, "count_2d", n, 1, CountVisits2d{visits.data(), 1});
    for_each_2d(queue, "count_2d", 1, n, CountVisits2d{visits.data(), n});
    for (int i = 0; i < n; ++i) REQUIRE(visits[i] == 3);
    REQUIRE(visits[n] == 0);
    std::fill(visits.begin(), visits.end(), 0);
    for_each_pack<8>(queue, "packs", n, CountPacks{visits.data()}, true);
    for (int i = 0; i < n; ++i) REQUIRE(visits[i] == (way != ExecutionMode::Vectorized && i < n / 8 * 8 ? 8 : 1));
    REQUIRE(visits[n] == 0);
    for (const int columns : {1, 7, 8, 24, 4104}) {
      std::fill(visits.begin(), visits.end(), 0);
      const int rows = n / columns;
      for_row_packs<8>(queue, "row_packs", rows, columns, CountRowPacks{visits.data(), columns}, true);
      for (int i = 0; i < rows * columns; ++i)
        REQUIRE(visits[i] == (way != ExecutionMode::Vectorized && columns % 8 == 0 ? 8 : 1));
      for (int i = rows * columns; i <= n; ++i) REQUIRE(visits[i] == 0);
      if (way != ExecutionMode::Vectorized) continue;
      std::fill(visits.begin(), visits.end(), 0);
      for_row_packs<8>(queue, "row_packs", rows, columns, CountWideRowPacks{{visits.data(), columns}}, true);
      const int wide = columns % 8 == 0 ? columns / 16 * 16 : 0;  // of a row's columns, in packs of 16
      for (int i = 0; i < rows * columns; ++i) REQUIRE(visits[i] == (i % columns < wide ? 16 : 1));
      for (int i = rows * columns; i <= n; ++i) REQUIRE(visits[i] == 0);
    }
  }
}

TEST_CASE("fibers show a missing barrier and pass the correct kernel", "[launch]") {
  const int rows = 8;
  std::vector<float> in(rows * 128), out(in.size());
  std::iota(in.begin(), in.end(), 1.f);
  for (const ExecutionMode way : kFiberWays) {
    Queue queue;
    queue.set_execution_mode(way, 3);
    const auto wrong = [&] {
      int count = 0;
      for (size_t i = 0; i < out.size(); ++i) count += !(out[i] == in[i / 128 * 128 + 127 - i % 128]);
      return count;
    };
    for_rows<128>(queue, "reverse", rows, ReverseRow<true>{in.data(), out.data()});
    CHECK(wrong() == 0);
    for_rows<128>(queue, "reverse", rows, ReverseRow<false>{in.data(), out.data()});
    CHECK(wrong() > rows);
  }
}

TEST_CASE("block reductions agree with their definition in every way to run", "[launch]") {
  const int n = GENERATE(1, 5, 64, 100, 129);
  CAPTURE(n);
  std::vector<float> in(3 * n);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>((i * 37) % 101) - 50.f;  // small integers: exact
  for (const ExecutionMode way : {ExecutionMode::Vectorized, ExecutionMode::FibersInOrder,
                                  ExecutionMode::FibersReversed, ExecutionMode::FibersShuffled}) {
    Queue queue;
    queue.set_execution_mode(way, 11);
    std::vector<double> out(12, NAN);
    for_rows<64>(queue, "reductions", 3, Reductions{in.data(), out.data(), n});
    for (int row = 0; row < 3; ++row) {
      const auto begin = in.begin() + row * n, end = begin + n;
      CHECK(out[row * 4] == std::accumulate(begin, end, 0.0));
      CHECK(out[row * 4 + 1] == *std::max_element(begin, end));
      CHECK(out[row * 4 + 2] == *std::min_element(begin, end));
      CHECK(out[row * 4 + 3] == 0);
    }
  }
}

TEST_CASE("a barrier in divergent code is refused", "[launch]") {
  Queue queue;
  queue.set_execution_mode(ExecutionMode::FibersInOrder);
  CHECK_THROWS_WITH(for_rows<64>(queue, "divergent", 1, DivergentBarrier{}), Catch::Contains("some threads"));
}
