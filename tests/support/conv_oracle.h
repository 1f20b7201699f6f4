// Convolution and its gradients in float64, written from the definition (see kernels/conv/conv.h): plain loops over
// every window. An absent argument is an empty vector.
#pragma once
#include <vector>

#include "kernels/conv/conv.h"
#include "tests/support/tolerance.h"

namespace fovea::test::oracle {

using Values = std::vector<double>;

Reference conv_forward(const kernels::ConvShape& shape, const Values& x, const Values& w, const Values& bias,
                       const Values& add, bool relu);

// y as one chain of fp32's fused multiply-adds: the rounding that a direct form has without partial sums.
std::vector<float> conv_forward_fp32(const kernels::ConvShape& shape, const std::vector<float>& x,
                                     const std::vector<float>& w);

// `before`: what dx (dweight, dbias) holds, if the gradient accumulates.
Reference conv_backward_data(const kernels::ConvShape& shape, const Values& dy, const Values& w, const Values& mask,
                             const Values& before);
Reference conv_backward_weight(const kernels::ConvShape& shape, const Values& x, const Values& dy,
                               const Values& before);
Reference conv_bias_gradient(const kernels::ConvShape& shape, const Values& dy, const Values& before);

// Allows for one more rounding to T, of `rounded`, on the way to `expected`, whose bound counts `roundings`: where the
// result of a convolution is stored before more is added to it.
template <class T>
void allow_rounding_of(const Reference& rounded, double roundings, Reference& expected) {
  for (size_t i = 0; i < expected.size(); ++i)
    expected.mag[i] += epsilon_of<T>() * std::abs(rounded.ref[i]) / (roundings * epsilon_of<float>());
}

// Σ|terms| of the products as Winograd's F(tile x tile, 3x3) adds them up, in the place of the definition's:
// |A|ᵀ [ Σ (|G||w||G|ᵀ) ⊙ (|Bᵀ||d||B|) ] |A| and its like for the gradients, with matrices derived anew from the
// points. `power` 2, of squared inputs: Σ terms², with squared matrices.
Values winograd_mag_forward(const kernels::ConvShape& shape, int tile, const Values& x, const Values& w, int power = 1);
Values winograd_mag_backward_data(const kernels::ConvShape& shape, int tile, const Values& dy, const Values& w,
                                  int power = 1);
Values winograd_mag_backward_weight(const kernels::ConvShape& shape, int tile, const Values& x, const Values& dy,
                                    int power = 1);

// Roundings on the longest chain of Winograd's format where `terms` products are added up at a point. At the most 45
// beside the sum: from both sides 7 each in the transforms of inputs and outputs (a product and a sum a term, without
// FMA), 7 in that of weights (whose coefficients are rounded too), and those of bias, add and what accumulates.
inline double winograd_roundings(double terms) { return terms + 45; }
// Those terms of a weight gradient: a product a tile, and a sum a block of 30 tiles or more.
double winograd_weight_terms(const kernels::ConvShape& shape, int tile);

}  // namespace fovea::test::oracle
