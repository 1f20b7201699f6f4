// Scratch memory of a queue's branch. Held by the branch, and by each recording that has its address.
#pragma once
#include <cstddef>

#include "kernels/device/queue.h"

namespace fovea {

struct Workspace {
  Workspace(DeviceKind kind, size_t size);  // data is nullptr if there is no memory
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  DeviceKind device;
  void* data;
  size_t bytes;
};

}  // namespace fovea
