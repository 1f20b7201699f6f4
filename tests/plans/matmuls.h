// What tests of cuBLASLt's matmuls share.
#pragma once
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "kernels/conv/cuda/cudnn_runtime.h"
#include "kernels/conv/cuda/matmul_backend.h"
#include "tests/support/catch.h"
#include "tests/support/conv_cases.h"
#include "tests/support/conv_oracle.h"
#include "tests/support/seeded.h"

namespace fovea::test {

inline constexpr kernels::CudnnEstimate kSlow{.modeled = std::numeric_limits<double>::infinity()}, kFast{.modeled = 0};

inline const kernels::ConvShape kShapes[] = {
    // batch, in_h, in_w, in_c, out_c
    {2, 9, 7, 24, 40},
    {1, 1, 1, 8, 16},
    {1, 17, 19, 64, 32},
    {3, 4, 5, 16, 72},
    {2, 9, 8, 24, 40, 1, 1, 2, 0, 1},  // on gathered pixels
};

struct Matmuls {
  kernels::PackedWeights packed{{conv::cuda::allocate, conv::cuda::release}};
  std::unique_ptr<kernels::ConvMatmuls> of_cublaslt;
  explicit Matmuls(const std::string& folder = "") : of_cublaslt(kernels::make_conv_matmuls(folder, packed)) {
    REQUIRE(of_cublaslt != nullptr);
  }
  kernels::ConvMatmuls* operator->() const { return of_cublaslt.get(); }
};

inline int64_t pixels(const kernels::ConvShape& s) { return int64_t{s.batch} * s.out_h() * s.out_w(); }

}  // namespace fovea::test
