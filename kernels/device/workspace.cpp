#include "kernels/device/workspace.h"

#include <cstdlib>

#include "kernels/device/gpu.h"
#include "kernels/device/host_memory.h"

namespace fovea {

Workspace::Workspace(DeviceKind kind, size_t size)
    : device(kind),
      data(kind == DeviceKind::Cuda ? Gpu::instance().allocate(size) : kernels::allocate_host(size)),
      bytes(size) {}

Workspace::~Workspace() {
  if (data == nullptr) return;
  if (device == DeviceKind::Cuda)
    Gpu::instance().free(data);
  else
    std::free(data);
}

}  // namespace fovea
