// Convolution: one contract, implementations behind it (CPU: oneDNN, our Winograd transforms; GPU: cuDNN, cuBLASLt).
//
// Cross-correlation over NHWC images, weights OHWI [out_c, kernel_h, kernel_w, in_c / groups]:
//   y[n, p, q, o] = relu(Σ_{r,s,c} x[n, p·stride − pad.h + r, q·stride − pad.w + s, c] · w[o, r, s, c]
//                        + bias[o] + add[n, p, q, o])
//
// Roundings where tensors are bf16: everything is summed in fp32. On the CPU the result is rounded once; on the GPU the
// bias is rounded too, and by cuDNN a gradient before it is added to what is there (kernels/conv/cuda/backend_cuda.cpp
// says why).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/device/queue.h"
#include "kernels/launch/dtype.h"

namespace fovea::kernels {

// Along the height and the width. One number stands for both.
struct Extent {
  int h = 0, w = 0;
  constexpr Extent() = default;
  constexpr Extent(int both) : h(both), w(both) {}
  constexpr Extent(int h, int w) : h(h), w(w) {}
  auto operator<=>(const Extent&) const = default;
};

struct ConvShape {
  int batch = 1;
  int in_h = 0, in_w = 0, in_c = 0;
  int out_c = 0;
  int kernel_h = 1, kernel_w = 1;
  int stride = 1;
  Extent pad;
  int groups = 1;

  int out_h() const { return windows(in_h, kernel_h, pad.h); }
  int out_w() const { return windows(in_w, kernel_w, pad.w); }
  int64_t weight_count() const { return int64_t{out_c} * kernel_h * kernel_w * (in_c / groups); }
  int64_t input_count() const { return int64_t{batch} * in_h * in_w * in_c; }
  int64_t output_count() const { return int64_t{batch} * out_h() * out_w() * out_c; }
  int64_t macs() const { return output_count() * kernel_h * kernel_w * (in_c / groups); }
  auto operator<=>(const ConvShape&) const = default;

 private:
  int windows(int size, int kernel, int padding) const {
    return size + 2 * padding < kernel ? 0 : (size + 2 * padding - kernel) / stride + 1;
  }
};

// Tensor cores take channels in multiples of it; others are padded.
inline constexpr int kChannelMultiple = 8;

// The weights of one layer, OHWI, in the activations' dtype. `version` is read when the work runs: packed forms of the
// weights are kept between calls while it stays the same, and made anew when it has changed. nullptr: never kept.
// Before the memory of either pointer is used for other weights: forget_weights().
struct ConvWeights {
  const void* data = nullptr;
  const uint64_t* version = nullptr;
  int rows = 0;  // output channels that lie there: beyond the shape's they are zero. 0: none are
};

struct ConvForward {
  const void* x = nullptr;  // [batch, in_h, in_w, in_c]
  ConvWeights weights;
  const float* bias = nullptr;  // [out_c] or nullptr; changes only when weights.version does, where that is given
  const void* add = nullptr;    // like y, or nullptr; added before the ReLU; may be y itself
  bool relu = false;
  void* y = nullptr;  // [batch, out_h, out_w, out_c]
  // The bias in the dtype of y, with zeros behind it up to kChannelMultiple, then added instead of `bias`; nullptr:
  // made where it is needed.
  const void* rounded_bias = nullptr;
  // Written: whether an element of y is > 0, one bit each, for a later ConvBackwardData::relu_bits. nullptr: not
  // wanted; only with a shape of which relu_bits_bytes() says how many bytes they are.
  void* relu_bits = nullptr;
};

struct ConvBackwardData {
  const void* dy = nullptr;
  ConvWeights weights;
  const void* relu_mask = nullptr;  // like x, or nullptr: dx is zeroed where it is <= 0 (x came out of a ReLU)
  bool accumulate = false;          // dx += instead of dx =; the mask then applies to the sum
  void* dx = nullptr;
  // What the forward pass that made x wrote of it, or nullptr; only beside relu_mask, whose place it can take.
  const void* relu_bits = nullptr;
};

struct ConvBackwardWeight {
  const void* x = nullptr;
  const void* dy = nullptr;
  bool accumulate = false;   // dweight += and dbias += instead of =
  float* dweight = nullptr;  // OHWI, always fp32
  float* dbias = nullptr;    // [out_c] or nullptr, always fp32
  // GPU: channels of a pixel in dy; beyond the shape's they are zero, and there is no dbias. 0: none are beyond.
  int dy_channels = 0;
};

enum class ConvPass : uint8_t { Forward, BackwardData, BackwardWeight };
constexpr const char* name_of(ConvPass pass) {
  return pass == ConvPass::Forward ? "forward" : pass == ConvPass::BackwardData ? "data gradient" : "weight gradient";
}

// Winograd: wherever its method applies (3x3, stride 1 or 2). Auto: of these, where it is faster.
enum class ConvAlgorithm : uint8_t { Auto, Direct, Winograd };

// What is computed together with a forward pass; for tables of plans. `bits`: the ReLU leaves some (relu_bits).
struct ConvFusion {
  bool bias = false, add = false, relu = false, bits = false;
  auto operator<=>(const ConvFusion&) const = default;
};

// How cuDNN or cuBLASLt (as a matrix product) computes a pass, or could: one row of
// `fovea info --plans`.
struct ConvPlan {
  std::string graph;    // "conv + add + bias + ReLU"
  std::string engine;   // its number and knobs; empty: there is none for this graph, `passes` says what is done instead
  std::string kernels;  // "Hopper", "Ampere or earlier", "compiled at run time"; "cuBLASLt": a matrix product
  int candidates = 0;
  int hopper = 0;  // of them, with Hopper's kernels
  size_t workspace = 0;
  bool used = false;   // rather than the other rows of this pass
  bool built = false;  // not built: compiled kernels where there is no driver
  std::string passes;  // passes of our own around it, e.g. "pad y 819 -> 824"
};

// A plan as it ran, alone.
struct ConvPlanTime {
  ConvPlan plan;
  double seconds = 0;
  std::string failed;  // why it did not run; empty: it did
};

// Primitives (plans) and packed weights, cached by shape. One per engine; not shared between threads, and outlives what
// is recorded with it. The dtype is that of x, y
// and the weights (fp32 or bf16); sums are in fp32. A shape with an empty batch or output does nothing forward, and its
// gradients are zero (or stay as they are, if they accumulate).
class Convolution {
 public:
  explicit Convolution(ConvAlgorithm algorithm = ConvAlgorithm::Auto);
  ~Convolution();
  Convolution(const Convolution&) = delete;
  Convolution& operator=(const Convolution&) = delete;

  void forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args);
  void backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args);
  void backward_weight(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardWeight& args);
  // Bytes of the bits that a forward pass with a ReLU leaves on the way (ConvForward::relu_bits). 0: there is no kernel
  // that does, or it would cost more than a later pass over the whole tensor. What order they are in is the library's.
  size_t relu_bits_bytes(Queue& queue, const ConvShape& shape, DType dtype, const ConvFusion& fusion);

  void set_algorithm(ConvAlgorithm algorithm);
  // Most bytes of packed weights held between calls (default: no limit); beyond it the least recently used are freed.
  // Training wants one: weights change each step, so a form is used again only by the other levels of a head.
  void set_weight_budget(size_t bytes);
  // GPU: plans are the fastest of their candidates, timed at first use, instead of what heuristics say.
  void set_autotune(bool on);
  // GPU: whether fp32 tensors may be multiplied as TF32, with 10 bits of mantissa, by tensor cores. To be said before
  // the first convolution.
  void set_tf32(bool allowed);
  size_t cached_bytes() const;  // packed weights held between calls
  // Frees them. Nothing that was recorded with them may run afterwards.
  void forget_weights();

  // What computes this pass of this shape, e.g. "winograd F(4x4,3x3)" or "cuDNN conv + bias + ReLU, eng41…, Hopper".
  // `fusion`: of a gradient, `add`: it accumulates, `relu`: it is masked.
  std::string describe(const ConvShape& shape, DType dtype, ConvPass pass = ConvPass::Forward,
                       const ConvFusion& fusion = {}, DeviceKind device = DeviceKind::Cpu);
  // The plans for this pass, for the GPU at hand or, where there is none, for the described one. Throws
  // Error(Runtime) where there is no cuDNN.
  std::vector<ConvPlan> plans(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion);
  // The first `most` plans that cuDNN has for this pass, with nothing fused to it, timed on the queue's GPU.
  std::vector<ConvPlanTime> time_plans(Queue& queue, const ConvShape& shape, DType dtype, ConvPass pass, int most);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether this CPU has bf16 arithmetic (AVX512_BF16 or AMX), so that bf16 convolution is faster than fp32.
bool cpu_has_fast_bf16();

// For `fovea info`: the instruction set that the convolution library uses on this CPU, and its name and version.
std::string cpu_isa_name();
std::string convolution_library();

}  // namespace fovea::kernels
