// Turns a CUDA error into an Error that says which call it was, of what size, and where.
#pragma once
#include <cuda_runtime.h>

#include <string>

#include "kernels/advice.h"
#include "kernels/error.h"

namespace fovea {

// `what` failed. Takes the error from the runtime's record of the last one, or a later launch would be blamed for it.
inline DeviceError cuda_error(cudaError_t status, const std::string& what) {
  cudaGetLastError();
  const std::string text = what + " failed: " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")";
  if (status != cudaErrorMemoryAllocation) return {ErrorKind::Runtime, text};
  return {ErrorKind::OutOfMemory, text + "; " + advise(advice::kUseLessMemory)};
}

// `call`: the function's name; `bytes`: how many it was about, where it was.
inline void cuda_check(cudaError_t status, const char* call, size_t bytes = 0, const char* in_file = __builtin_FILE(),
                       int line = __builtin_LINE()) {
  if (status == cudaSuccess) return;
  std::string file = in_file;
  file = file.substr(file.rfind('/', file.rfind('/') - 1) + 1);  // folder/file, wherever it was compiled
  throw cuda_error(status, std::string(call) + (bytes > 0 ? " of " + std::to_string(bytes) + " bytes" : "") + " at " +
                               file + ":" + std::to_string(line));
}

}  // namespace fovea
