// Builds without cuBLASLt's header: compiled in the place of matmul_backend.cpp and cublaslt_*.cpp.
#include "kernels/conv/cuda/matmul_backend.h"
#include "kernels/conv/gpu_libraries.h"

namespace fovea {

GpuLibrary cublaslt_library() {
  return {.name = "cuBLASLt",
          .problem = "not in this build: its header was not found",
          .without = kernels::kWithoutMatmuls};
}

namespace kernels {

std::unique_ptr<ConvMatmuls> make_conv_matmuls(const std::string&, PackedWeights&) { return nullptr; }

}  // namespace kernels

}  // namespace fovea
