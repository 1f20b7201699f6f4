#include "tests/support/network_bounds.h"

#include <algorithm>
#include <cmath>

#include "tests/support/conv_oracle.h"
#include "tests/support/seeded.h"

namespace fovea::test {

double winograd_error(const kernels::ConvShape& shape, kernels::ConvPass pass) {
  const int tile = shape.stride == 2 ? 3 : 4;
  kernels::ConvShape s = shape;  // one image of a few tiles: a larger one repeats them
  s.batch = 1;
  s.in_h = std::min(s.in_h, 3 * tile * s.stride);
  s.in_w = std::min(s.in_w, 3 * tile * s.stride);
  const auto squares = [](size_t n, uint64_t seed) {
    oracle::Values values;
    for (const double value : seeded_uniform<float>(n, seed)) values.push_back(value * value);
    return values;
  };
  const auto x = squares(s.input_count(), 1), w = squares(s.weight_count(), 2), dy = squares(s.output_count(), 3);
  const auto error = [](double roundings, const oracle::Values& terms, const Reference& products) {
    const double most = *std::max_element(terms.begin(), terms.end());
    return epsilon_of<float>() *
           std::sqrt(roundings * most / *std::max_element(products.ref.begin(), products.ref.end()));
  };
  switch (pass) {
    case kernels::ConvPass::Forward:
      return error(oracle::winograd_roundings(s.in_c), oracle::winograd_mag_forward(s, tile, x, w, 2),
                   oracle::conv_forward(s, x, w, {}, {}, false));
    case kernels::ConvPass::BackwardData:
      return error(oracle::winograd_roundings(s.out_c), oracle::winograd_mag_backward_data(s, tile, dy, w, 2),
                   oracle::conv_backward_data(s, dy, w, {}, {}));
    case kernels::ConvPass::BackwardWeight:
      break;
  }
  return error(oracle::winograd_roundings(oracle::winograd_weight_terms(shape, tile)),
               oracle::winograd_mag_backward_weight(s, tile, x, dy, 2), oracle::conv_backward_weight(s, x, dy, {}));
}

}  // namespace fovea::test
