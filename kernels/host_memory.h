// Large blocks of host memory, in huge pages where the system grants them: passes over many distant rows at once (the
// points of a Winograd transform) otherwise miss the TLB at every step.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>

namespace fovea::kernels {

// Aligned to 64 bytes at least; nullptr if there is none. Freed by std::free.
inline void* allocate_host(size_t bytes) {
  constexpr size_t huge_page = size_t{2} << 20;
  const size_t alignment = bytes >= 2 * huge_page ? huge_page : 4096;
  const size_t rounded = (bytes + 4095) / 4096 * 4096;
  void* memory = std::aligned_alloc(alignment, (rounded + alignment - 1) / alignment * alignment);
  if (memory != nullptr && alignment == huge_page) madvise(memory, rounded, MADV_HUGEPAGE);  // a hint: refusal is fine
  return memory;
}

}  // namespace fovea::kernels
