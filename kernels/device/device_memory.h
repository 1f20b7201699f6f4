// Memory from the system: the host's (aligned to 4096) or the GPU's. nullptr when there is none left.
#pragma once
#include <cstddef>

#include "kernels/device/queue.h"

namespace fovea {

void* device_allocate(DeviceKind device, size_t bytes);
void device_free(DeviceKind device, void* memory) noexcept;

}  // namespace fovea
