// Turns a CUDA error into an Error with the call's name.
#pragma once
#include <cuda_runtime.h>

#include <string>

#include "kernels/error.h"

namespace fovea {

inline void cuda_check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  const ErrorKind kind = status == cudaErrorMemoryAllocation ? ErrorKind::OutOfMemory : ErrorKind::Runtime;
  throw Error(kind, std::string(call) + " failed: " + cudaGetErrorString(status));
}

}  // namespace fovea
