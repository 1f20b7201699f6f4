// What stands behind Convolution (kernels/conv/conv.h): one implementation for a queue of the CPU, one for a queue of
// CUDA. A shape that reaches them is not empty.
#pragma once
#include <memory>
#include <string>

#include "kernels/conv/conv.h"

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

  virtual size_t relu_bits_bytes(Queue&, const ConvShape&, DType, const ConvFusion&) { return 0; }

  virtual void set_algorithm(ConvAlgorithm) {}
  virtual void set_weight_budget(size_t) {}
  virtual void set_autotune(bool) {}
  virtual void set_tf32(bool) {}
  virtual size_t cached_bytes() const = 0;
  virtual void forget_weights() = 0;

  // Of a gradient, here and below, `add`: it accumulates, `relu`: it is masked.
  virtual std::string describe(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion) = 0;
  virtual std::vector<ConvPlan> plans(const ConvShape&, DType, ConvPass, const ConvFusion&) { return {}; }
  virtual std::vector<ConvPlanTime> time_plans(Queue&, const ConvShape&, DType, ConvPass, int) { return {}; }
  // What a call takes, without its alternatives.
  virtual ConvPlan used_plan(const ConvShape&, DType, ConvPass, const ConvFusion&) { return {}; }
};

// By ConvPass: what profiles show on a GPU.
inline constexpr const char* kConvNames[] = {"conv_forward", "conv_backward_data", "conv_backward_weight"};

// Ways of cuDNN's (kernels/conv/cuda/conv_ways.h) that are taken wherever there are any, whatever they cost: as
// ConvAlgorithm::Winograd is on the CPU, for tests, in which shapes are small.
struct ConvPreference {
  int parts = 1;         // of every batch that has as many images
  bool gathers = false;  // 1x1 with a stride, on gathered pixels
};

std::unique_ptr<ConvBackend> make_onednn_backend(ConvAlgorithm algorithm);
// Throws Error(Runtime) where this build has no CUDA (no_cuda.cpp) or this machine no cuDNN.
std::unique_ptr<ConvBackend> make_cudnn_backend(const ConvPreference& preference = {});

}  // namespace fovea::kernels
