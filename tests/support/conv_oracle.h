// Convolution and its gradients in float64, written from the definition (see kernels/conv.h): plain loops over every
// window. An absent argument is an empty vector.
#pragma once
#include <vector>

#include "kernels/conv.h"
#include "tests/support/tolerance.h"

namespace fovea::test::oracle {

using Values = std::vector<double>;

Reference conv_forward(const kernels::ConvShape& shape, const Values& x, const Values& w, const Values& bias,
                       const Values& add, bool relu);

// `before`: what dx (dweight, dbias) holds, if the gradient accumulates.
Reference conv_backward_data(const kernels::ConvShape& shape, const Values& dy, const Values& w, const Values& mask,
                             const Values& before);
Reference conv_backward_weight(const kernels::ConvShape& shape, const Values& x, const Values& dy,
                               const Values& before);
Reference conv_bias_gradient(const kernels::ConvShape& shape, const Values& dy, const Values& before);

}  // namespace fovea::test::oracle
