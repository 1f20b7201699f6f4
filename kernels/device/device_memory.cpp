#include "kernels/device/device_memory.h"

#include <cstdlib>

#include "kernels/device/gpu.h"
#include "kernels/device/host_memory.h"

namespace fovea {

void* device_allocate(DeviceKind device, size_t bytes) {
  if (device == DeviceKind::Cuda) return Gpu::instance().allocate(bytes);
  return kernels::allocate_host(bytes);
}

void device_free(DeviceKind device, void* memory) noexcept {
  if (device == DeviceKind::Cuda)
    Gpu::instance().free(memory);
  else
    std::free(memory);
}

}  // namespace fovea
