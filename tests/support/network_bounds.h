// How far a whole network's outputs and gradients may lie from the true ones, relative to the largest value of a
// tensor.
//
// fp32. A sum of K products has K roundings, which walk at random: a relative error of about √K eps (Higham 2002,
// section 2.8; Higham and Mary 2019 say when). Here K <= 9·64 = 576, that is 24 eps; by Winograd's method it is what
// winograd_error() says. Norms, ReLUs and sums keep the relative size of an error, and the errors of the layers add up:
// after L layers L times that. Forward L <= 20 (longest chain: stem, 3 × 4 blocks, FPN, heads); backward runs the chain
// twice.
//
// bf16. Sums are in fp32; what is rounded to bf16 is a layer's result. On a GPU its bias is rounded too, and backwards
// a gradient before it is added to another (kernels/conv/conv.h): two roundings a layer there, one on the CPU. So the
// two targets lie at most three roundings a layer apart, and two computations on a GPU of the same images, in other
// parts, four.
#pragma once
#include "kernels/conv/conv.h"
#include "tests/support/tolerance.h"

namespace fovea::test {

constexpr int kLayers = 20;
constexpr double kDirectError = 24 * epsilon_of<float>();  // of a layer
constexpr double kForward = kLayers * kDirectError, kBackward = 2 * kForward;
constexpr double kForwardBetweenTargetsBf16 = kLayers * 3 * epsilon_of<bfloat16>(),
                 kBackwardBetweenTargetsBf16 = 2 * kForwardBetweenTargetsBf16,
                 kForwardInPartsBf16 = kLayers * 4 * epsilon_of<bfloat16>(),
                 kBackwardInPartsBf16 = 2 * kForwardInPartsBf16;

// The relative error of a layer's pass in fp32 by Winograd's method: √n eps of its n roundings, times √(Σ terms² /
// Σ products²), of the terms that the method adds up (its oracle's) and of the definition's products, where each is
// largest. Of inputs like those of seeded_uniform.
double winograd_error(const kernels::ConvShape& shape, kernels::ConvPass pass);

}  // namespace fovea::test
