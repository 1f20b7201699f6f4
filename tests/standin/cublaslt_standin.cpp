// cuBLASLt's double beside the stand-in for the CUDA runtime: calls are counted and failed as the runtime's are,
// operands lie in its memory, and what a product gives is the CPU target's whole call (cudnn_runtime.cpp).
#include "tests/standin/cublaslt.h"
#include "tests/standin/state.h"

namespace fovea::cublaslt::test {

cublasStatus_t admit(const char* call) {
  const cudaError_t error = standin::call(call, [] { return cudaSuccess; });
  if (error == cudaSuccess) return CUBLAS_STATUS_SUCCESS;
  cudaGetLastError();
  return error == cudaErrorMemoryAllocation ? CUBLAS_STATUS_ALLOC_FAILED : CUBLAS_STATUS_EXECUTION_FAILED;
}

bool in_device_memory(const void* memory, size_t bytes, size_t alignment) {
  const std::lock_guard lock(standin::state().mutex);
  return reinterpret_cast<uintptr_t>(memory) % alignment == 0 &&
         standin::where(memory, bytes) == standin::Where::Device;
}

bool computes() { return false; }

}  // namespace fovea::cublaslt::test
