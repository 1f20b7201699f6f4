#include "tests/support/conv_oracle.h"

#include <cmath>

namespace fovea::test::oracle {
namespace {

using kernels::ConvShape;

// Calls f(index into x, index into w, index into y) for every product of the convolution.
template <class F>
void for_each_product(const ConvShape& s, const F& f) {
  const int in = s.in_c / s.groups, out = s.out_c / s.groups;
  for (int n = 0; n < s.batch; ++n)
    for (int p = 0; p < s.out_h(); ++p)
      for (int q = 0; q < s.out_w(); ++q)
        for (int o = 0; o < s.out_c; ++o)
          for (int r = 0; r < s.kernel_h; ++r)
            for (int t = 0; t < s.kernel_w; ++t) {
              const int h = p * s.stride - s.pad.h + r, w = q * s.stride - s.pad.w + t;
              if (h < 0 || h >= s.in_h || w < 0 || w >= s.in_w) continue;
              const size_t pixel = (size_t(n) * s.in_h + h) * s.in_w + w;
              const size_t position = (size_t(n) * s.out_h() + p) * s.out_w() + q;
              for (int c = 0; c < in; ++c)
                f(pixel * s.in_c + o / out * in + c, ((size_t(o) * s.kernel_h + r) * s.kernel_w + t) * in + c,
                  position * s.out_c + o);
            }
}

void add_all(Reference& sum, const Values& terms) {
  for (size_t i = 0; i < terms.size(); ++i) sum.add(i, terms[i]);
}

}  // namespace

Reference conv_forward(const ConvShape& s, const Values& x, const Values& w, const Values& bias, const Values& add,
                       bool relu) {
  Reference y(s.output_count());
  for_each_product(s, [&](size_t i, size_t j, size_t k) { y.add(k, x[i] * w[j]); });
  if (!bias.empty())
    for (size_t k = 0; k < y.size(); ++k) y.add(k, bias[k % s.out_c]);
  add_all(y, add);
  if (relu)
    for (double& value : y.ref) value = std::max(value, 0.0);
  return y;
}

std::vector<float> conv_forward_fp32(const ConvShape& s, const std::vector<float>& x, const std::vector<float>& w) {
  std::vector<float> y(s.output_count());
  for_each_product(s, [&](size_t i, size_t j, size_t k) { y[k] = std::fma(x[i], w[j], y[k]); });
  return y;
}

Reference conv_backward_data(const ConvShape& s, const Values& dy, const Values& w, const Values& mask,
                             const Values& before) {
  Reference dx(s.input_count());
  for_each_product(s, [&](size_t i, size_t j, size_t k) { dx.add(i, dy[k] * w[j]); });
  add_all(dx, before);
  for (size_t i = 0; i < mask.size(); ++i)
    if (mask[i] <= 0) dx.ref[i] = dx.mag[i] = 0;
  return dx;
}

Reference conv_backward_weight(const ConvShape& s, const Values& x, const Values& dy, const Values& before) {
  Reference dw(s.weight_count());
  for_each_product(s, [&](size_t i, size_t j, size_t k) { dw.add(j, x[i] * dy[k]); });
  add_all(dw, before);
  return dw;
}

Reference conv_bias_gradient(const ConvShape& s, const Values& dy, const Values& before) {
  Reference dbias(s.out_c);
  for (size_t k = 0; k < dy.size(); ++k) dbias.add(k % s.out_c, dy[k]);
  add_all(dbias, before);
  return dbias;
}

}  // namespace fovea::test::oracle
