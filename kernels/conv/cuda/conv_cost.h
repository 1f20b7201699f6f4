// Seconds that a convolution takes on a GPU in each way that there is to compute it, by a roofline: what decides
// between them where nothing was timed.
#pragma once
#include <algorithm>

#include "kernels/conv/cuda/padded_shape.h"
#include "kernels/device/device_rates.h"

namespace fovea::kernels {

class ConvCost {
 public:
  ConvCost(const PaddedShape& form, ConvPass pass, DType dtype, const DeviceRates& rates)
      : rates_(rates),
        pass_(pass),
        dtype_(dtype),
        gathers_(form.gather),
        flop_(2.0 * static_cast<double>(form.shape.macs())),
        given_x_(bytes(form.given.input_count(), dtype)),
        x_(bytes(form.shape.input_count(), dtype)),
        read_x_(gathers(form.shape) ? bytes(gathered(form.shape).input_count(), dtype) : x_),
        y_(bytes(form.shape.output_count(), dtype)),
        weights_(bytes(form.shape.weight_count(), dtype)),
        gradient_(bytes(form.shape.weight_count(), DType::F32)) {}

  // cuDNN's kernel; what is fused to it: an addend, a mask.
  double kernel(bool add, bool mask, bool older) const {
    if (pass_ == ConvPass::BackwardData) return longest(older, x_ + y_ + weights_ + (int{add} + int{mask}) * x_);
    return longest(older, read_x_ + y_ + weights_ + int{add} * y_);
  }
  // Our passes around a kernel that does the plain convolution.
  double forward_passes(bool fused, bool add) const { return gather() + (fused ? 0 : pass((2 + int{add}) * y_)); }
  double data_passes(bool add, bool mask) const {
    if (gathers_) return pass(add && !mask ? 3 * x_ : x_ + (1 + int{add} + int{mask}) * given_x_);
    return add || mask ? pass((2 + int{add} + int{mask}) * x_) : 0;
  }
  // cuDNN's weight gradient is in the dtype of x: a pass brings it to the fp32 gradient.
  double weight_passes(bool accumulate) const {
    const bool finishes = dtype_ != DType::F32 || accumulate;
    return gather() + (finishes ? pass(weights_ + (1 + int{accumulate}) * gradient_) : 0);
  }
  double bias_pass() const { return pass(y_); }

  // A matmul with our passes; `mask`: of a data gradient. It adds; scattered pixels are ours, and so are masks,
  // unless it has their bits. It writes the fp32 gradient.
  double matmul(bool add, bool mask, bool bits) const {
    if (pass_ == ConvPass::BackwardWeight) return gather() + longest(false, x_ + y_ + (1 + int{add}) * gradient_);
    if (pass_ == ConvPass::Forward)
      return longest(false, x_ + (1 + int{add} + bits_of(bits)) * y_ + weights_) + product_passes(add, mask, bits);
    return longest(false, (1 + int{add && !gathers_} + bits_of(bits)) * x_ + y_ + weights_) +
           product_passes(add, mask, bits);
  }
  // With bits a forward pass saves one of the whole tensor later: a gradient is read, masked and written.
  double product_passes(bool add, bool mask, bool bits) const {
    if (pass_ == ConvPass::Forward) return gather() - (bits ? pass(3 * y_) : 0);
    if (pass_ == ConvPass::BackwardWeight) return gather();
    return data_passes(add && gathers_, mask && !bits);
  }

 private:
  static double bytes(int64_t count, DType dtype) {
    return static_cast<double>(count) * static_cast<double>(size_of(dtype));
  }
  double longest(bool older, double moved) const {
    const double rate = dtype_ == DType::F32 ? rates_.fp32 : older ? rates_.older : rates_.native;
    return std::max(flop_ / rate, moved / rates_.bytes) + rates_.launch;
  }
  double pass(double moved) const { return moved / rates_.bytes + rates_.launch; }
  double bits_of(bool bits) const { return bits ? 1.0 / (8 * static_cast<double>(size_of(dtype_))) : 0; }
  double gather() const { return gathers_ ? pass(2 * x_) : 0; }

  DeviceRates rates_;
  ConvPass pass_;
  DType dtype_;
  bool gathers_;
  double flop_, given_x_, x_, read_x_, y_, weights_, gradient_;
};

}  // namespace fovea::kernels
