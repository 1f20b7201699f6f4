#include "kernels/reduce.h"

#include <limits>

#include "tests/support/pointwise_oracle.h"
#include "tests/support/seeded.h"
#include "tests/support/threads.h"

using namespace fovea;
using namespace fovea::test;

TEST_CASE("sums over a buffer agree with their definitions", "[reduce]") {
  const size_t n = GENERATE(0, 1, 37, 16384, 16385, 50001);
  CAPTURE(n);
  auto values = seeded_uniform<float>(n, 1, -100.f, 300.f);
  Reference sum(1), squares(1);
  for (const float v : values) {
    sum.add(0, v);
    squares.add(0, double{v} * v);
  }
  for_each_way_to_run([&](Queue& queue) {
    Guarded<float> x(values);
    Guarded<double> total(1);
    Guarded<int64_t> count(1);
    // fp64 throughout: a chunk of 16384 elements and 4 partial sums at most.
    kernels::sum(queue, n, x.data(), total.data());
    CHECK(disagreement(std::span<const double>(total.data(), 1), sum, 16400, epsilon_of<double>()) == "");
    kernels::sum_of_squares(queue, n, x.data(), total.data());
    CHECK(disagreement(std::span<const double>(total.data(), 1), squares, 16400, epsilon_of<double>()) == "");
    kernels::count_nonfinite(queue, n, x.data(), count.data());
    CHECK(*count.data() == 0);
    if (n < 37) return;
    x.data()[0] = std::numeric_limits<float>::infinity();
    x.data()[n / 2] = -std::numeric_limits<float>::infinity();
    x.data()[n - 1] = std::numeric_limits<float>::quiet_NaN();
    x.data()[1] = std::numeric_limits<float>::max();
    kernels::count_nonfinite(queue, n, x.data(), count.data());
    CHECK(*count.data() == 3);
    kernels::sum_of_squares(queue, n, x.data(), total.data());
    CHECK_FALSE(std::isfinite(*total.data()));
  });
}

TEST_CASE("the sum of squares of the largest values is finite", "[reduce]") {
  std::vector<float> x(1000, std::numeric_limits<float>::max());
  Single<double> total;
  TestQueue queue;
  kernels::sum_of_squares(queue, 1000, x.data(), &total);
  CHECK(std::isfinite(double(total)));
}

TEMPLATE_TEST_CASE("column sums agree with their definition", "[reduce]", float, bfloat16) {
  using T = TestType;
  const auto size = GENERATE(table<size_t, size_t>({{0, 4}, {1, 1}, {300, 7}, {513, 72}, {40, 1030}}));
  const auto rows = std::get<0>(size), columns = std::get<1>(size);  // clang has no structured bindings in OpenMP code
  CAPTURE(rows, columns);
  const auto values = seeded_uniform<T>(rows * columns, 1);
  const auto before = seeded_uniform<float>(columns, 2);
  for_each_way_to_run([&](Queue& queue) {
    Guarded<T> x(values);
    Guarded<float> sums(columns), into(before);
    const double chain = std::min<size_t>(rows, 128) + 1;  // in fp32 within a thread's share of a chunk
    kernels::column_sum(queue, rows, columns, x.data(), sums.data(), false);
    CHECK_CLOSE(sums.values(), oracle_column_sum(values, columns), chain);
    kernels::column_sum(queue, rows, columns, x.data(), into.data(), true);
    CHECK_CLOSE(into.values(), oracle_column_sum(values, columns, &before), chain);
  });
}

TEST_CASE("determinism: sums have the same bits for any number of threads", "[reduce]") {
  const auto x = seeded_uniform<float>(300000, 1);
  check_same_bits_for_any_thread_count([&] {
    TestQueue queue;
    std::vector<double> totals(2);
    kernels::sum(queue, x.size(), x.data(), &totals[0]);
    kernels::sum_of_squares(queue, x.size(), x.data(), &totals[1]);
    return totals;
  });
}

TEMPLATE_TEST_CASE("determinism: column sums have the same bits for any number of threads", "[reduce]", float,
                   bfloat16) {
  const int64_t rows = 1234;
  const int columns = 37;
  const auto x = seeded_uniform<TestType>(rows * columns, 1);
  check_same_bits_for_any_thread_count([&] {
    TestQueue queue;
    std::vector<float> sums(columns);
    kernels::column_sum(queue, rows, columns, x.data(), sums.data(), /*accumulate=*/false);
    return sums;
  });
}
