// cuBLASLt's double beside the stand-in for the CUDA runtime: calls are counted and failed as the runtime's are, and a
// matmul is computed when the stream comes to it.
#include "tests/standin/cublaslt.h"
#include "tests/standin/state.h"

namespace fovea::cublaslt::test {
namespace {

cublasStatus_t status_of(cudaError_t error) {
  if (error == cudaSuccess) return CUBLAS_STATUS_SUCCESS;
  cudaGetLastError();
  return error == cudaErrorMemoryAllocation ? CUBLAS_STATUS_ALLOC_FAILED : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace

cublasStatus_t admit(const char* call) {
  return status_of(standin::call(call, [] { return cudaSuccess; }));
}

cublasStatus_t submit(cudaStream_t stream, const std::function<void()>& work) {
  return status_of(standin::enqueue(stream, "matmul", work));
}

}  // namespace fovea::cublaslt::test
