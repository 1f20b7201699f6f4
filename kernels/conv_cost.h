// Seconds that a convolution takes on a GPU in each way that there is to compute it, by a roofline of the H200: what
// decides between them where nothing was timed. Rates: 4.3 TB/s; Hopper's kernels 700 TFLOP/s, fused data gradients,
// which are of Ampere's kind, 450. What all ways have in common need not be right, only what they differ in: bytes.
#pragma once
#include <algorithm>

#include "kernels/conv.h"

namespace fovea::kernels {

class ConvCost {
 public:
  ConvCost(const ConvShape& s, DType dtype)
      : flop_(2.0 * static_cast<double>(s.macs())),
        x_(bytes(s.input_count(), dtype)),
        y_(bytes(s.output_count(), dtype)),
        weights_(bytes(s.weight_count(), dtype)),
        gradient_(bytes(s.weight_count(), DType::F32)),
        widens_(dtype != DType::F32) {}

  // cuDNN's forward: all in one kernel, or a pass over y behind it. As a product it is always the former.
  double forward_pass(bool add) const { return (2 + int{add}) * y_ / kBytesPerSecond; }
  double forward(bool add, bool fused) const { return fused ? product_forward(add) : plain(0) + forward_pass(add); }
  double product_forward(bool add) const { return plain(int{add} * y_); }

  // cuDNN's data gradient: plain, then a pass of our own where it is added or masked; or all in one older kernel.
  double data_pass(bool add, bool mask) const {
    return add || mask ? (2 + int{add} + int{mask}) * x_ / kBytesPerSecond : 0;
  }
  double data_by_pass(bool add, bool mask) const { return plain(0) + data_pass(add, mask); }
  double data_fused(bool add, bool mask) const {
    return std::max(flop_ / kFusedRate, (x_ + y_ + weights_ + (int{add} + int{mask}) * x_) / kBytesPerSecond);
  }
  bool prefers_fused(bool add, bool mask) const { return data_fused(add, mask) < data_by_pass(add, mask); }
  double data(bool add, bool mask) const { return std::min(data_fused(add, mask), data_by_pass(add, mask)); }
  // A product adds; our pass masks.
  double product_data(bool add, bool mask) const { return plain(int{add} * x_) + data_pass(false, mask); }

  // cuDNN's weight gradient is in the dtype of x: a pass brings it to the fp32 gradient. A product writes that.
  double weight_pass(bool accumulate) const {
    return widens_ || accumulate ? (weights_ + (1 + int{accumulate}) * gradient_) / kBytesPerSecond : 0;
  }
  double weight(bool accumulate) const { return plain(0) + weight_pass(accumulate); }
  double product_weight(bool accumulate) const { return plain((1 + int{accumulate}) * gradient_ - weights_); }
  double bias_pass() const { return y_ / kBytesPerSecond; }

 private:
  static constexpr double kBytesPerSecond = 4.3e12, kPlainRate = 700e12, kFusedRate = 450e12;
  static double bytes(int64_t count, DType dtype) {
    return static_cast<double>(count) * static_cast<double>(size_of(dtype));
  }
  double plain(double more_bytes) const {
    return std::max(flop_ / kPlainRate, (x_ + y_ + weights_ + more_bytes) / kBytesPerSecond);
  }
  double flop_, x_, y_, weights_, gradient_;
  bool widens_;
};

}  // namespace fovea::kernels
