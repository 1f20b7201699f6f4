// A double of the few functions of cuBLASLt that are used, in place of kernels/conv/cuda/cublaslt_runtime.cpp: it takes
// matmuls as the library does, is as strict as its documentation, and computes them in float64 in the host's memory.
// How they are counted and when they run depends on what it runs beside: the stand-in for the CUDA runtime
// (cublaslt_standin.cpp), or tests of plans in plain memory (tests/plans/cublaslt_host.cpp).
#pragma once
#include <cublasLt.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace fovea::cublaslt::test {

// ---- Given by what it runs beside.
cublasStatus_t admit(const char* call);  // counts the call, and fails it on demand
cublasStatus_t submit(cudaStream_t stream, const std::function<void()>& work);  // in the stream's order

// ---- What it saw.
struct Executed {
  int64_t m = 0, n = 0, k = 0;
  cudaDataType in = CUDA_R_32F, out = CUDA_R_32F;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  float beta = 0;
  uint64_t algorithm = 0;
};
extern std::vector<Executed> executed_matmuls;  // in order, since the start

// What algorithms it offers for every matmul, where the preference allows them.
constexpr uint64_t kInPlaceSum = 11, kSumInParts = 22, kPlain = 33, kTf32 = 44;
bool offer_none(bool none);  // from now on none at all; returns what held before
void fail_after(int runs);   // the matmul after so many fails, once (tests/plans/cublaslt_host.cpp)

}  // namespace fovea::cublaslt::test
