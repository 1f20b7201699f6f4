// What the doubles of cuDNN's runtime and of cuBLASLt ask of the memory that they are handed. Defined by what they run
// beside: the stand-in for the CUDA runtime (cudnn_runtime.cpp), or tests of plans in plain memory
// (tests/plans/graph_runtime.cpp).
#pragma once
#include <cstddef>

namespace fovea::test {

constexpr size_t kOperandAlignment = 16, kWorkspaceAlignment = 256;

// Whether all bytes lie inside one allocation of the device, from an address of that alignment on.
bool in_device_memory(const void* memory, size_t bytes, size_t alignment);

}  // namespace fovea::test
