// How far a whole network's outputs and gradients may lie from the true ones, relative to the largest value of a
// tensor.
//
// fp32. A dot product of K terms carries a relative error of about sqrt(K)·eps (roundings walk at random; Higham 2002,
// section 2.8), here K <= 9·64 = 576: 24 eps. Norms, ReLUs and sums keep the relative size of an error, and the errors
// of the layers add up: after L layers 24·L·eps of the tensor's largest value. Forward L <= 20 (longest chain: stem, 3
// × 4 blocks, FPN, heads); backward runs the chain twice.
//
// bf16. Sums are in fp32; what is rounded to bf16 is a layer's result. On a GPU its bias is rounded too, and backwards
// a gradient before it is added to another (kernels/conv/conv.h): two roundings a layer there, one on the CPU. So the
// two targets lie at most three roundings a layer apart, and two computations on a GPU of the same images, in other
// parts, four.
#pragma once
#include "tests/support/tolerance.h"

namespace fovea::test {

constexpr int kLayers = 20;
constexpr double kForward = kLayers * 24 * epsilon_of<float>(), kBackward = 2 * kForward;
constexpr double kForwardBetweenTargetsBf16 = kLayers * 3 * epsilon_of<bfloat16>(),
                 kBackwardBetweenTargetsBf16 = 2 * kForwardBetweenTargetsBf16,
                 kForwardInPartsBf16 = kLayers * 4 * epsilon_of<bfloat16>(),
                 kBackwardInPartsBf16 = 2 * kForwardInPartsBf16;

}  // namespace fovea::test
