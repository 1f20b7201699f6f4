// What Winograd's convolution adds up: the algorithm in float64 on absolute values. F(4x4, 3x3) on the points 0, ±5/8,
// ±3/2, ∞; F(6x6, 3x3) on 0, ±1/2, ±1, ±2, ∞; with stride 2, tiles of 3x3.
#include <algorithm>
#include <cmath>

#include "tests/support/conv_oracle.h"

namespace fovea::test::oracle {
namespace {

using kernels::ConvShape;

struct Matrix {
  int rows, columns;
  Values values = Values(size_t(rows) * columns);
  double& operator()(int i, int j) { return values[i * columns + j]; }
  double operator()(int i, int j) const { return values[i * columns + j]; }
};

Matrix transposed(const Matrix& m) {
  Matrix t{m.columns, m.rows};
  for (int i = 0; i < m.rows; ++i)
    for (int j = 0; j < m.columns; ++j) t(j, i) = m(i, j);
  return t;
}

Matrix operator*(const Matrix& a, const Matrix& b) {
  Matrix c{a.rows, b.columns};
  for (int i = 0; i < a.rows; ++i)
    for (int k = 0; k < a.columns; ++k)
      for (int j = 0; j < b.columns; ++j) c(i, j) += a(i, k) * b(k, j);
  return c;
}

Matrix both_ways(const Matrix& m, const Matrix& x) { return m * x * transposed(m); }

void add_product(Matrix& sum, const Matrix& a, const Matrix& b) {
  for (size_t i = 0; i < sum.values.size(); ++i) sum.values[i] += a.values[i] * b.values[i];
}

// |A|, |G| and |Bᵀ|, a row a point.
struct Transforms {
  Matrix a, g, b;
};

// Those of a filter with `taps` taps on the finite points given and ∞.
Transforms transforms(const Values& points, int taps) {
  const int finite = static_cast<int>(points.size()), count = finite + 1, tile = count + 1 - taps;
  Transforms t{{count, tile}, {count, taps}, {count, count}};
  for (int p = 0; p < count; ++p) {
    Values polynomial(count);  // Π (x − q) over the other points
    polynomial[0] = 1;
    double denominator = 1;
    for (int q = 0; q < finite; ++q) {
      if (q == p) continue;
      for (int i = finite; i >= 0; --i) polynomial[i] = (i > 0 ? polynomial[i - 1] : 0) - points[q] * polynomial[i];
      if (p < finite) denominator *= points[p] - points[q];
    }
    for (int i = 0; i < count; ++i) t.b(p, i) = std::abs(polynomial[i]);
    for (int i = 0; i < tile; ++i) t.a(p, i) = p < finite ? std::abs(std::pow(points[p], i)) : i == tile - 1;
    for (int i = 0; i < taps; ++i)
      t.g(p, i) = p < finite ? std::abs(std::pow(points[p], i) / denominator) : i == taps - 1;
  }
  return t;
}

// Those of a 3x3 convolution and of its data gradient.
struct Method {
  Matrix a, g, b, data_a, data_b;
  int tile() const { return a.columns; }
};

Method method_of_size(int stride, int tile) {
  if (stride == 1) {
    const auto t = transforms(tile == 4 ? Values{0, 0.625, -0.625, 1.5, -1.5} : Values{0, 0.5, -0.5, 1, -1, 2, -2}, 3);
    return {t.a, t.g, t.b, t.a, t.b};
  }
  // Even pixels by the outer taps, on 0, ±1, ∞; odd pixels by the middle one, a product each.
  const Transforms even = transforms({0, 1, -1}, 2);
  Method m{{7, 3}, {7, 3}, {7, 7}, {7, 6}, {7, 4}};
  for (int p = 0; p < 4; ++p) {
    for (int i = 0; i < 3; ++i) m.a(p, i) = m.data_a(p, 2 * i) = even.a(p, i);
    for (int i = 0; i < 4; ++i) m.b(p, 2 * i) = m.data_b(p, i) = even.b(p, i);
    m.g(p, 0) = even.g(p, 0), m.g(p, 2) = even.g(p, 1);
  }
  for (int i = 0; i < 3; ++i) {
    const int p = 4 + i;
    m.a(p, i) = m.g(p, 1) = m.b(p, 2 * i + 1) = m.data_a(p, 2 * i + 1) = m.data_b(p, i + 1) = 1;
  }
  return m;
}

Method method(int stride, int tile, int power) {
  Method m = method_of_size(stride, tile);
  for (Matrix* matrix : {&m.a, &m.g, &m.b, &m.data_a, &m.data_b})
    for (double& value : matrix->values) value = std::pow(value, power);
  return m;
}

// One channel of an NHWC image.
struct Plane {
  int height, width, channels;
  size_t at(int n, int h, int w, int c) const { return ((size_t(n) * height + h) * width + w) * channels + c; }
  Matrix patch(const Values& values, int size, int n, int h, int w, int c) const {  // absolute, zero outside
    Matrix patch{size, size};
    for (int i = 0; i < size; ++i)
      for (int j = 0; j < size; ++j)
        if (h + i >= 0 && h + i < height && w + j >= 0 && w + j < width)
          patch(i, j) = std::abs(values[at(n, h + i, w + j, c)]);
    return patch;
  }
};

Matrix taps(const Values& w, size_t first, int step) {
  Matrix taps{3, 3};
  for (int tap = 0; tap < 9; ++tap) taps.values[tap] = std::abs(w[first + size_t(tap) * step]);
  return taps;
}

// An image cut into patches: from one to the next, and the corner of the first.
struct Patches {
  Plane plane;
  int step, offset;
};

// |aᵀ| [ Σ_c u(o, c) ⊙ (|b| x_c |b|ᵀ) ] |a| for the tiles of `out`.
Values product_mag(int batch, const Patches& in, const Patches& out, const Matrix& a, const Matrix& b,
                   const std::vector<Matrix>& u, const Values& x) {
  const Plane& to = out.plane;
  Values mag(size_t(batch) * to.height * to.width * to.channels);
  const auto tiles = [&](int length) { return (length - out.offset + out.step - 1) / out.step; };
  for (int n = 0; n < batch; ++n)
    for (int row = 0; row < tiles(to.height); ++row)
      for (int column = 0; column < tiles(to.width); ++column) {
        std::vector<Matrix> v;
        for (int c = 0; c < in.plane.channels; ++c)
          v.push_back(both_ways(
              b, in.plane.patch(x, b.columns, n, row * in.step + in.offset, column * in.step + in.offset, c)));
        for (int o = 0; o < to.channels; ++o) {
          Matrix sum{b.rows, b.rows};
          for (size_t c = 0; c < v.size(); ++c) add_product(sum, u[o * v.size() + c], v[c]);
          const Matrix y = both_ways(transposed(a), sum);
          for (int i = 0; i < a.columns; ++i)
            for (int j = 0; j < a.columns; ++j) {
              const int h = row * out.step + out.offset + i, w = column * out.step + out.offset + j;
              if (h >= 0 && h < to.height && w >= 0 && w < to.width) mag[to.at(n, h, w, o)] = y(i, j);
            }
        }
      }
  return mag;
}

}  // namespace

Values winograd_mag_forward(const ConvShape& s, int tile, const Values& x, const Values& w, int power) {
  const Method m = method(s.stride, tile, power);
  std::vector<Matrix> u;
  for (int o = 0; o < s.out_c; ++o)
    for (int c = 0; c < s.in_c; ++c) u.push_back(both_ways(m.g, taps(w, size_t(o) * 9 * s.in_c + c, s.in_c)));
  return product_mag(s.batch, {{s.in_h, s.in_w, s.in_c}, s.stride * m.tile(), -s.pad.h},
                     {{s.out_h(), s.out_w(), s.out_c}, m.tile(), 0}, m.a, m.b, u, x);
}

Values winograd_mag_backward_data(const ConvShape& s, int tile, const Values& dy, const Values& w, int power) {
  const Method m = method(s.stride, tile, power);
  std::vector<Matrix> u;
  for (int c = 0; c < s.in_c; ++c)
    for (int o = 0; o < s.out_c; ++o) {
      Matrix turned = taps(w, size_t(o) * 9 * s.in_c + c, s.in_c);
      std::reverse(turned.values.begin(), turned.values.end());
      u.push_back(both_ways(m.g, turned));
    }
  return product_mag(s.batch, {{s.out_h(), s.out_w(), s.out_c}, m.tile(), s.pad.h / s.stride - 2 / s.stride},
                     {{s.in_h, s.in_w, s.in_c}, s.stride * m.tile(), -(s.pad.h % s.stride)}, m.data_a, m.data_b, u, dy);
}

double winograd_weight_terms(const ConvShape& s, int tile) {
  const int tiles = s.batch * ((s.out_h() + tile - 1) / tile) * ((s.out_w() + tile - 1) / tile);
  return tiles + tiles / 30 + 1;
}

Values winograd_mag_backward_weight(const ConvShape& s, int tile, const Values& x, const Values& dy, int power) {
  const Method t = method(s.stride, tile, power);
  const Plane in{s.in_h, s.in_w, s.in_c}, out{s.out_h(), s.out_w(), s.out_c};
  std::vector<Matrix> sums(size_t(s.out_c) * s.in_c, Matrix{t.a.rows, t.a.rows});
  for (int n = 0; n < s.batch; ++n)
    for (int h = 0; h < out.height; h += t.tile())
      for (int q = 0; q < out.width; q += t.tile()) {
        std::vector<Matrix> v;
        for (int c = 0; c < s.in_c; ++c)
          v.push_back(both_ways(t.b, in.patch(x, t.b.columns, n, h * s.stride - s.pad.h, q * s.stride - s.pad.w, c)));
        for (int o = 0; o < s.out_c; ++o) {
          const Matrix gradient = both_ways(t.a, out.patch(dy, t.tile(), n, h, q, o));
          for (int c = 0; c < s.in_c; ++c) add_product(sums[size_t(o) * s.in_c + c], gradient, v[c]);
        }
      }
  Values mag(s.weight_count());
  for (int o = 0; o < s.out_c; ++o)
    for (int c = 0; c < s.in_c; ++c) {
      const Matrix dw = both_ways(transposed(t.g), sums[size_t(o) * s.in_c + c]);
      for (int tap = 0; tap < 9; ++tap) mag[(size_t(o) * 9 + tap) * s.in_c + c] = dw.values[tap];
    }
  return mag;
}

}  // namespace fovea::test::oracle
