// 1x1 convolutions as matmuls of cuBLASLt, where that is faster than cuDNN. What a matmul has that cuDNN has
// not: it adds to what is there while it keeps Hopper's kernels, and it writes weight gradients in fp32. And a ReLU of
// its forward pass leaves one bit an element, by which the next layer's data gradient is masked in the same kernel.
#pragma once
#include <memory>
#include <optional>

#include "kernels/conv/conv.h"
#include "kernels/conv/packed_weights.h"

namespace fovea::kernels {

// cuDNN's way of doing a call.
struct CudnnEstimate {
  double modeled = 0;   // seconds (conv_cost.h)
  double timed = 0;     // seconds; 0: not timed
  bool timing = false;  // time the matmul too, if it was not
  bool on_ties = true;  // whether cuDNN's way is the one where the model sees no difference
};

class ConvMatmuls {
 public:
  ConvMatmuls() = default;
  virtual ~ConvMatmuls() = default;
  ConvMatmuls(const ConvMatmuls&) = delete;
  ConvMatmuls& operator=(const ConvMatmuls&) = delete;

  // Does the call and returns true; or false where it is no matmul, cuBLASLt has no algorithm, or cuDNN is as fast: by
  // time where both were timed, else by the model.
  virtual bool forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args,
                       const CudnnEstimate& rival) = 0;
  virtual bool backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args,
                             const CudnnEstimate& rival) = 0;
  virtual bool backward_weight(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardWeight& args,
                               const CudnnEstimate& rival) = 0;

  // See Convolution: what a matmul would write that is taken for them.
  virtual size_t relu_bits_bytes(Queue& queue, const ConvShape& shape, DType dtype, const ConvFusion& fusion,
                                 const CudnnEstimate& rival) = 0;

  virtual void set_tf32(bool allowed) = 0;

  // For tables. Of a gradient, fusion.add says that it accumulates and fusion.relu that it is masked. Empty: no
  // matmul.
  virtual std::optional<ConvPlan> plan(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion,
                                       const CudnnEstimate& rival) = 0;
};

// What was timed is kept in `folder` (empty: nowhere); biases in `packed`, which outlives it. nullptr where this build
// (no_cublaslt.cpp) or this machine has no cuBLASLt.
std::unique_ptr<ConvMatmuls> make_conv_matmuls(const std::string& folder, PackedWeights& packed);

constexpr const char* kWithoutMatmuls = "1x1 convolutions run through cuDNN, which is slower";

}  // namespace fovea::kernels
