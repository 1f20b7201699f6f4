// cuBLASLt's double beside tests of plans: in plain memory, whose bounds are the test's own guards.
#include <algorithm>

#include "tests/plans/graph_runtime.h"
#include "tests/standin/cublaslt.h"

namespace fovea::cublaslt::test {

constexpr size_t kHostAlignment = 64;  // of the queue's workspace

cublasStatus_t admit(const char*) { return CUBLAS_STATUS_SUCCESS; }

bool in_device_memory(const void* memory, size_t, size_t alignment) {
  return memory != nullptr && reinterpret_cast<uintptr_t>(memory) % std::min(alignment, kHostAlignment) == 0;
}

bool computes() { return true; }

}  // namespace fovea::cublaslt::test

namespace fovea::cudnn::test {

size_t products_executed() { return cublaslt::test::executed_products.size(); }
void offer_products(bool offer) { cublaslt::test::offer_none(!offer); }

}  // namespace fovea::cudnn::test
