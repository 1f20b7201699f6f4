// What Winograd's convolution adds up: the algorithm in float64 on absolute values. F(4x4, 3x3) on the points 0, ±5/8,
// ±3/2, ∞; F(6x6, 3x3) on 0, ±1/2, ±1, ±2, ∞.
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
  int tile, patch;
  Matrix a, g, b;
  explicit Transforms(int tile) : tile(tile), patch(tile + 2), a{patch, tile}, g{patch, 3}, b{patch, patch} {
    const Values points = tile == 4 ? Values{0, 0.625, -0.625, 1.5, -1.5} : Values{0, 0.5, -0.5, 1, -1, 2, -2};
    const int finite = patch - 1;
    for (int p = 0; p < patch; ++p) {
      Values polynomial(patch);  // Π (x − q) over the other points
      polynomial[0] = 1;
      double denominator = 1;
      for (int q = 0; q < finite; ++q) {
        if (q == p) continue;
        for (int i = finite; i >= 0; --i) polynomial[i] = (i > 0 ? polynomial[i - 1] : 0) - points[q] * polynomial[i];
        if (p < finite) denominator *= points[p] - points[q];
      }
      for (int i = 0; i < patch; ++i) b(p, i) = std::abs(polynomial[i]);
      for (int i = 0; i < tile; ++i) a(p, i) = p < finite ? std::abs(std::pow(points[p], i)) : i == tile - 1;
      for (int i = 0; i < 3; ++i) g(p, i) = p < finite ? std::abs(std::pow(points[p], i) / denominator) : i == 2;
    }
  }
};

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

}  // namespace

Values winograd_mag_forward(const ConvShape& s, int tile, const Values& x, const Values& w) {
  const Transforms t(tile);
  const Plane in{s.in_h, s.in_w, s.in_c}, out{s.out_h(), s.out_w(), s.out_c};
  Values mag(s.output_count());
  std::vector<Matrix> u;
  for (int o = 0; o < s.out_c; ++o)
    for (int c = 0; c < s.in_c; ++c) u.push_back(both_ways(t.g, taps(w, size_t(o) * 9 * s.in_c + c, s.in_c)));
  for (int n = 0; n < s.batch; ++n)
    for (int h = 0; h < out.height; h += tile)
      for (int q = 0; q < out.width; q += tile) {
        std::vector<Matrix> v;
        for (int c = 0; c < s.in_c; ++c) v.push_back(both_ways(t.b, in.patch(x, t.patch, n, h - s.pad, q - s.pad, c)));
        for (int o = 0; o < s.out_c; ++o) {
          Matrix sum{t.patch, t.patch};
          for (int c = 0; c < s.in_c; ++c) add_product(sum, u[size_t(o) * s.in_c + c], v[c]);
          const Matrix y = both_ways(transposed(t.a), sum);
          for (int i = 0; i < std::min(tile, out.height - h); ++i)
            for (int j = 0; j < std::min(tile, out.width - q); ++j) mag[out.at(n, h + i, q + j, o)] = y(i, j);
        }
      }
  return mag;
}

Values winograd_mag_backward_data(const ConvShape& s, int tile, const Values& dy, const Values& w) {
  ConvShape turned = s;  // a convolution of dy with the weights turned by half, in and out swapped
  turned.in_h = s.out_h(), turned.in_w = s.out_w(), turned.pad = 2 - s.pad;
  std::swap(turned.in_c, turned.out_c);
  Values turned_w(w.size());
  for (int o = 0; o < s.out_c; ++o)
    for (int tap = 0; tap < 9; ++tap)
      for (int c = 0; c < s.in_c; ++c)
        turned_w[(size_t(c) * 9 + 8 - tap) * s.out_c + o] = w[(size_t(o) * 9 + tap) * s.in_c + c];
  return winograd_mag_forward(turned, tile, dy, turned_w);
}

Values winograd_mag_backward_weight(const ConvShape& s, int tile, const Values& x, const Values& dy) {
  const Transforms t(tile);
  const Plane in{s.in_h, s.in_w, s.in_c}, out{s.out_h(), s.out_w(), s.out_c};
  std::vector<Matrix> sums(size_t(s.out_c) * s.in_c, Matrix{t.patch, t.patch});
  for (int n = 0; n < s.batch; ++n)
    for (int h = 0; h < out.height; h += tile)
      for (int q = 0; q < out.width; q += tile) {
        std::vector<Matrix> v;
        for (int c = 0; c < s.in_c; ++c) v.push_back(both_ways(t.b, in.patch(x, t.patch, n, h - s.pad, q - s.pad, c)));
        for (int o = 0; o < s.out_c; ++o) {
          const Matrix gradient = both_ways(t.a, out.patch(dy, tile, n, h, q, o));
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
