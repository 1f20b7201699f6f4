#include "kernels/activation.h"

#include <limits>

#include "kernels/launch/math.h"
#include "tests/support/pointwise_oracle.h"
#include "tests/support/seeded.h"
#include "tests/support/threads.h"
#include "tests/support/tolerance.h"

using namespace fovea;
using namespace fovea::test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();

// Random values, with the special ones in front.
template <class T>
std::vector<T> with_specials(size_t n, uint64_t seed) {
  auto values = seeded_uniform<T>(n, seed, -4.f, 4.f);
  const float specials[] = {0.f, -0.f, kNan, kInf, -kInf, 0x1p-126f, -3e38f};
  for (size_t i = 0; i < std::min(n, std::size(specials)); ++i) values[i] = static_cast<T>(specials[(i + seed) % 7]);
  return values;
}

}  // namespace

TEMPLATE_TEST_CASE("point-wise kernels agree with their definitions", "[activation]", float, bfloat16) {
  using T = TestType;
  const size_t n = GENERATE(0, 1, 7, 8, 13, 5003);
  CAPTURE(n);
  const auto a = with_specials<T>(n, 1), b = with_specials<T>(n, 2), c = seeded_uniform<T>(n, 3);
  for_each_way_to_run([&](Queue& queue) {
    Guarded<T> x(a), z(b), y(n);
    // Exact in fp32, so 0 roundings besides the one to T.
    kernels::relu_forward(queue, n, x.data(), y.data());
    CHECK_CLOSE(y.values(), reference_of(n, [&](size_t i) { return oracle_relu(a[i]); }), 0);

    kernels::relu_backward(queue, n, x.data(), z.data(), y.data(), false);
    CHECK_CLOSE(y.values(), reference_of(n, [&](size_t i) { return oracle_relu_gradient(a[i], b[i]); }), 0);

    Guarded<T> dx(c);
    kernels::relu_backward(queue, n, x.data(), z.data(), dx.data(), true);
    Reference sum = reference_of(n, [&](size_t i) { return c[i]; });
    for (size_t i = 0; i < n; ++i) sum.add(i, oracle_relu_gradient(a[i], b[i]));
    CHECK_CLOSE(dx.values(), sum, 1);

    sum = reference_of(n, [&](size_t i) { return a[i]; });
    for (size_t i = 0; i < n; ++i) sum.add(i, b[i]);
    kernels::add(queue, n, x.data(), z.data(), y.data());
    CHECK_CLOSE(y.values(), sum, 1);

    Guarded<T> into(b);
    kernels::add_into(queue, n, x.data(), into.data());
    CHECK_CLOSE(into.values(), sum, 1);

    kernels::add_relu(queue, n, x.data(), z.data(), y.data());
    for (double& v : sum.ref) v = oracle_relu(v);
    CHECK_CLOSE(y.values(), sum, 1);
  });
}

TEMPLATE_TEST_CASE("packs are not taken where buffers are not aligned", "[activation]", float, bfloat16) {
  using T = TestType;
  const auto a = seeded_uniform<T>(101, 1);
  for_each_way_to_run([&](Queue& queue) {
    Guarded<T> x(a), y(100);
    kernels::relu_forward(queue, 100, x.data() + 1, y.data());
    CHECK_CLOSE(y.values(), reference_of(100, [&](size_t i) { return oracle_relu(a[i + 1]); }), 0);
  });
}

TEMPLATE_TEST_CASE("sigmoid agrees with its definition", "[activation]", float, bfloat16) {
  using T = TestType;
  const auto a = seeded_uniform<T>(3000, 4, -30.f, 30.f);
  for_each_way_to_run([&](Queue& queue) {
    Guarded<T> x(a), y(a.size());
    kernels::sigmoid(queue, a.size(), x.data(), y.data());
    CHECK_CLOSE(y.values(), reference_of(a.size(), [&](size_t i) { return 1 / (1 + std::exp(-double{a[i]})); }),
                math::kSigmoidError * 0x1p24);
  });
}

TEST_CASE("casts round to nearest even and keep NaN and infinity", "[activation]") {
  const size_t n = 4099;
  auto a = with_specials<float>(n, 0);
  a[7] = 1.f + 0x1p-8f;      // halfway: to even, down
  a[8] = 1.f + 3 * 0x1p-8f;  // halfway: to even, up
  a[9] = 3.4e38f;            // beyond the largest bfloat16
  std::vector<uint8_t> bytes(n);
  for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<uint8_t>(i * 37);
  for_each_way_to_run([&](Queue& queue) {
    Guarded<float> x(a), back(n), same(n);
    Guarded<bfloat16> y(n);
    kernels::cast(queue, n, x.data(), y.data());
    kernels::cast(queue, n, y.data(), back.data());
    kernels::cast(queue, n, x.data(), same.data());
    auto expected = reference_of(n, [&](size_t i) { return a[i]; });
    CHECK_CLOSE(same.values(), expected, 0);
    expected.ref[9] = kInf;
    CHECK_CLOSE(y.values(), expected, 0);
    CHECK(back.values()[7] == 1.f);
    CHECK(back.values()[8] == 1.f + 0x1p-6f);
    Guarded<uint8_t> u(bytes);
    kernels::cast(queue, n, u.data(), back.data());
    CHECK_CLOSE(back.values(), reference_of(n, [&](size_t i) { return bytes[i]; }), 0);
  });
}

TEMPLATE_TEST_CASE("bias and its gradient agree with their definitions", "[activation]", float, bfloat16) {
  using T = TestType;
  const auto size = GENERATE(
      table<size_t, size_t>({{0, 8}, {1, 1}, {3, 7}, {5, 64}, {256, 8}, {257, 40}, {700, 65}, {1030, 256}, {2, 300}}));
  const auto rows = std::get<0>(size), columns = std::get<1>(size);  // clang has no structured bindings in OpenMP code
  CAPTURE(rows, columns);
  const size_t n = rows * columns;
  const auto a = seeded_uniform<T>(n, 1), d = seeded_uniform<T>(n, 2);
  const auto bias = seeded_uniform<float>(columns, 3);
  std::vector<T> masked(n);
  for (size_t i = 0; i < n; ++i) masked[i] = static_cast<T>(static_cast<float>(oracle_relu_gradient(a[i], d[i])));
  for_each_way_to_run([&](Queue& queue) {
    Guarded<T> x(a), y(n), dy(d);
    Guarded<float> b(bias), dbias(columns);
    kernels::bias_forward(queue, rows, columns, x.data(), b.data(), y.data());
    auto expected = reference_of(n, [&](size_t i) { return a[i]; });
    for (size_t i = 0; i < n; ++i) expected.add(i, bias[i % columns]);
    CHECK_CLOSE(y.values(), expected, 1);

    // fp32 sums of at most 128 rows (a GPU thread's share of a chunk; the CPU's is 16), in fp64 from there on.
    const double chain = std::min<size_t>(rows, 128) + 1;
    Guarded<double> sums(kernels::bias_sums_bytes(rows, columns) / sizeof(double)), none(0);
    kernels::relu_bias_backward(queue, rows, columns, x.data(), dy.data(), sums.data());
    CHECK_CLOSE(dy.values(), reference_of(n, [&](size_t i) { return masked[i]; }), 0);
    kernels::fold_bias_sums(queue, {{sums.data(), int64_t(rows)}}, columns, dbias.data(), false);
    CHECK_CLOSE(dbias.values(), oracle_column_sum(masked, columns), chain);
    // The same as several levels of a head, one of them empty.
    std::vector<T> twice = masked;
    twice.insert(twice.end(), masked.begin(), masked.end());
    kernels::fold_bias_sums(queue, {{sums.data(), int64_t(rows)}, {none.data(), 0}, {sums.data(), int64_t(rows)}},
                            columns, b.data(), true);
    CHECK_CLOSE(b.values(), oracle_column_sum(twice, columns, &bias), chain);
  });
}

TEST_CASE("determinism: the bias gradient has the same bits for any number of threads", "[activation]") {
  const size_t rows = 5000, columns = 37;
  const auto x = seeded_uniform<float>(rows * columns, 1), d = seeded_uniform<float>(rows * columns, 2);
  check_same_bits_for_any_thread_count([&] {
    TestQueue queue;
    auto dy = d;
    std::vector<float> dbias(columns);
    std::vector<double> sums(kernels::bias_sums_bytes(rows, columns) / sizeof(double));
    kernels::relu_bias_backward(queue, rows, columns, x.data(), dy.data(), sums.data());
    kernels::fold_bias_sums(queue, {{sums.data(), rows}}, columns, dbias.data(), false);
    return dbias;
  });
}
