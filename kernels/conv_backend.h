// What stands behind Convolution (kernels/conv.h): one implementation for a queue of the CPU, one for a queue of CUDA.
// A shape that reaches them is not empty.
#pragma once
#include <memory>
#include <string>

#include "kernels/conv.h"

namespace fovea::kernels {

class ConvBackend {
 public:
  ConvBackend() = default;
  virtual ~ConvBackend() = default;
  ConvBackend(const ConvBackend&) = delete;
  ConvBackend& operator=(const ConvBackend&) = delete;

  virtual void forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args) = 0;
  virtual void backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args) = 0;
  virtual void backward_weight(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardWeight& args) = 0;

  virtual void set_algorithm(ConvAlgorithm) {}
  virtual void set_weight_budget(size_t) {}
  virtual void set_autotune(bool) {}
  virtual size_t cached_bytes() const = 0;
  virtual void forget_weights() = 0;

  virtual std::string describe(const ConvShape& shape, DType dtype, ConvPass pass) = 0;
  virtual std::vector<ConvPlan> plans(const ConvShape&, DType, ConvPass, const ConvFusion&) { return {}; }
};

// By ConvPass: what profiles show on a GPU.
inline constexpr const char* kConvNames[] = {"conv_forward", "conv_backward_data", "conv_backward_weight"};

std::unique_ptr<ConvBackend> make_onednn_backend(ConvAlgorithm algorithm);
// Throws Error(Runtime) where this build has no CUDA (conv_no_cudnn.cpp) or this machine no cuDNN.
std::unique_ptr<ConvBackend> make_cudnn_backend();

}  // namespace fovea::kernels
