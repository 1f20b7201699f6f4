// cuBLASLt's double beside tests of plans: in plain memory, done at once.
#include <string_view>

#include "tests/plans/graph_runtime.h"
#include "tests/standin/cublaslt.h"

namespace fovea::cublaslt::test {

namespace {
int runs_until_fault = -1;
}

void fail_after(int runs) { runs_until_fault = runs; }

cublasStatus_t admit(const char* call) {
  const bool runs = std::string_view(call) == "cublasLtMatmul";
  return runs && runs_until_fault-- == 0 ? CUBLAS_STATUS_EXECUTION_FAILED : CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t submit(cudaStream_t, const std::function<void()>& work) {
  work();
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace fovea::cublaslt::test

namespace fovea::cudnn::test {

size_t matmuls_executed() { return cublaslt::test::executed_matmuls.size(); }
bool offer_matmuls(bool offer) { return !cublaslt::test::offer_none(!offer); }

}  // namespace fovea::cudnn::test
