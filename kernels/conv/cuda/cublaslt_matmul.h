// A convolution 1x1 as one matmul of cuBLASLt, with what is fused to it. P: pixels of the batch, C: channels
// in, K: channels out; matrices by rows, as NHWC and OHWI lie in memory:
//
//   forward          Y[P, K]  = relu(X[P, C] W[K, C]ᵀ + add + bias)
//   data gradient    dX[P, C] = relu'(dY[P, K] W[K, C] + add), 0 where the forward pass that made X says so by `bits`
//   weight gradient  dW[K, C] = dY[P, K]ᵀ X[P, C] + add, in fp32 whatever X is;  dbias[K] = Σ_P dY where `bias`
//
// Everything between is in fp32, with one rounding at the end; fp32 tensors are multiplied as they are, not as TF32,
// unless the key says so.
// A matmul has the same bits on every run: where a sum is cut in parts, they are added in a fixed order.
#pragma once
#include <cublasLt.h>

#include <memory>
#include <string>
#include <vector>

#include "kernels/conv/conv.h"
#include "kernels/device/queue.h"
#include "kernels/launch/dtype.h"

namespace fovea::cublaslt {

using kernels::ConvPass;

struct MatmulKey {
  ConvPass pass = ConvPass::Forward;
  DType dtype = DType::BF16;
  int64_t pixels = 0;
  int in_c = 0, out_c = 0;
  bool add = false, bias = false, relu = false;
  bool bits = false;  // with a ReLU: forward, whether an element is > 0 is written; data gradient, that is read
  bool tf32 = false;  // fp32: multiplied as TF32
  auto operator<=>(const MatmulKey&) const = default;
};
std::string text_of(const MatmulKey& key);      // unique, one line
std::string fusion_text(const MatmulKey& key);  // "matmul + add + bias + ReLU"
size_t bits_bytes(const MatmulKey& key);        // of MatmulOperands::bits

// All aligned to 16 bytes.
struct MatmulOperands {
  const void* image = nullptr;    // forward, weight gradient: x;  data gradient: dy
  const void* weights = nullptr;  // weight gradient: dy
  const void* add = nullptr;      // like out, and may be out
  void* bias = nullptr;           // forward: read, of the key's dtype;  weight gradient: written, fp32
  void* out = nullptr;
  void* bits = nullptr;  // forward: written;  data gradient: read
};

class Matmul {
 public:
  // Asks cuBLASLt's heuristics, for the device of handle(), which is not null.
  explicit Matmul(const MatmulKey& key);

  int candidates() const { return static_cast<int>(found_.size()); }  // best first; 0: it has no algorithm
  void pick(int candidate) { picked_ = found_.at(static_cast<size_t>(candidate)); }
  const MatmulKey& key() const { return key_; }
  size_t workspace_bytes() const { return picked_.workspaceSize; }
  std::string algorithm() const;  // "cuBLASLt 13.1.0, algorithm 66, tile 20, ..."

  // On the queue's stream. `workspace` is aligned to 256 bytes. Not for several threads at once.
  void run(const Queue& queue, const MatmulOperands& operands, void* workspace) const;

  // The algorithm picked, for the same version of cuBLASLt and the same device.
  std::vector<uint8_t> serialize() const;
  bool restore(const std::vector<uint8_t>& bytes);  // whether it may be used; it is picked then

 private:
  template <class T>
  using Owned = std::unique_ptr<T, cublasStatus_t (*)(T*)>;

  void set(cublasLtMatmulDescAttributes_t attribute, const void* value, size_t bytes) const;

  MatmulKey key_;
  Owned<cublasLtMatmulDescOpaque_t> product_;
  Owned<cublasLtMatrixLayoutOpaque_t> a_, b_, out_;
  std::vector<cublasLtMatmulHeuristicResult_t> found_;
  cublasLtMatmulHeuristicResult_t picked_{};
};

}  // namespace fovea::cublaslt
