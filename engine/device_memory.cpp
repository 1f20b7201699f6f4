#include "engine/device_memory.h"

#include <cstdlib>

#if defined(FOVEA_HAS_CUDA)
#include "kernels/cuda_check.h"
#endif

namespace fovea {

#if defined(FOVEA_HAS_CUDA)
void* device_allocate(DeviceKind device, size_t bytes) {
  if (device == DeviceKind::Cpu) return std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // the caller may free and try again: the error must not stick
    return nullptr;
  }
  cuda_check(status, "cudaMalloc");
  return memory;
}

void device_free(DeviceKind device, void* memory) {
  if (device == DeviceKind::Cpu)
    std::free(memory);
  else
    cudaFree(memory);
}
#else
void* device_allocate(DeviceKind, size_t bytes) { return std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096); }
void device_free(DeviceKind, void* memory) { std::free(memory); }
#endif

}  // namespace fovea
