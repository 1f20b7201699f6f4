// 3x3 convolution by Winograd's method: with stride 1, F(4x4, 3x3) for fp32 activations and F(6x6, 3x3) for bf16, which
// need a quarter and a fifth of the direct form's products; with stride 2, tiles of 3x3 outputs by 49 products for 81.
// The products are fp32 for both; NHWC in and out, all fusions in the transforms. One product of matrices for each
// point.
//
// Error, with c = roundings on the longest chain (products summed + 45 of the transforms, fewer with FMA):
//   |y − ref| <= eps(T)·|ref| + c·eps(fp32)·mag,   mag = |A|ᵀ [ Σ_c (|G||w||G|ᵀ) ⊙ (|Bᵀ||d||B|) ] |A|
// where mag, for inputs of like size, is about 40 (bf16: 230; stride 2: 4) times the Σ|terms| of the definition (see
// kernels/conv/cpu/winograd_transforms.h). The results have the same bits for any number of threads.
#pragma once
#include <string>

#include "kernels/conv/conv.h"
#include "kernels/conv/packed_weights.h"

namespace fovea::kernels {

class WinogradConvolution {
 public:
  explicit WinogradConvolution(PackedWeights& packed) : packed_(packed) {}

  static bool applies(const ConvShape& shape);
  // Whether it is faster than the direct form.
  static bool pays(const ConvShape& shape, DType dtype, ConvPass pass);

  static std::string describe(const ConvShape& shape, DType dtype);

  // Run at once: the caller has submitted them. The shape is not empty.
  void forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args);
  void backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args);
  void backward_weight(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardWeight& args);

 private:
  PackedWeights& packed_;
};

}  // namespace fovea::kernels
