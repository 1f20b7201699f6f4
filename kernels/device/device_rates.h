// How fast a GPU is, for choosing between ways of computing a convolution where nothing was timed (conv_ways.h). What
// all ways have in common need not be right, only what they differ in: bytes, kinds of kernels, launches.
#pragma once
#include <string>

namespace fovea::kernels {

struct DeviceRates {
  double bytes;            // a second, from and to memory
  double native;           // bf16 FLOP a second by kernels for the architecture's own tensor cores
  double older;            // by kernels for those of older architectures
  double fp32;             // FLOP a second without tensor cores
  double launch = 2e-6;    // seconds a further kernel takes at least
  bool has_older_kernels;  // false: below sm_90 all of cuDNN's kernels count as native
};

// What large bf16 products and copies reach on an H200, measured with PyTorch.
inline constexpr double kH200Products = 790e12, kH200Bytes = 4.3e12;

// `sm`: 90 for compute capability 9.0. A device that is not listed is taken for one of its architecture, or else for
// the H200.
DeviceRates rates_of(const std::string& name, int sm);

}  // namespace fovea::kernels
