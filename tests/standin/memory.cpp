// Memory of the device and pinned memory of the host: mapped, so that what is not touched costs nothing, with a page
// after its end that nobody may touch. Freed memory stays reserved and may not be touched either: its use ends the
// program.
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "tests/standin/state.h"

namespace standin {
namespace {

constexpr size_t kPage = 4096;

struct Allocation {
  size_t bytes, mapped;
  bool pinned, shared, alive;  // shared: the host's, and kernels reach it
};

std::map<uintptr_t, Allocation>& allocations() {
  static auto& all = *new std::map<uintptr_t, Allocation>;
  return all;
}

// `shared`: pinned, of host and device, and only filled as it is touched, with zeros.
cudaError_t allocate(void** memory, size_t bytes, bool pinned, bool shared = false) {
  State& s = state();
  if (memory == nullptr) return cudaErrorInvalidValue;
  *memory = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (!pinned && s.counts.memory + static_cast<int64_t>(bytes) > s.memory_limit) return cudaErrorMemoryAllocation;
  const size_t rounded = (bytes + kPage - 1) / kPage * kPage, mapped = rounded + kPage;
  void* base = mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return cudaErrorMemoryAllocation;
  mprotect(base, rounded, PROT_READ | PROT_WRITE);
  // The end of the allocation at the end of its last page, so that the first byte beyond it shows.
  auto* begin = static_cast<std::byte*>(base) + (rounded - bytes) / 256 * 256;
  if (!s.dry && !shared) std::memset(base, 0xff, rounded);  // NaN: what is read before it was written shows
  allocations()[reinterpret_cast<uintptr_t>(begin)] = {bytes, mapped, pinned, shared, true};
  int64_t& held = pinned ? s.counts.pinned_memory : s.counts.memory;
  held += static_cast<int64_t>(bytes);
  s.counts.peak_memory = std::max(s.counts.peak_memory, s.counts.memory);
  *memory = begin;
  return cudaSuccess;
}

cudaError_t release(void* memory, bool pinned) {
  if (memory == nullptr) return cudaSuccess;
  const auto found = allocations().find(reinterpret_cast<uintptr_t>(memory));
  if (found == allocations().end() || !found->second.alive || found->second.pinned != pinned)
    return cudaErrorInvalidValue;
  finish_all();  // as the runtime does: what uses it may be under way
  Allocation& allocation = found->second;
  allocation.alive = false;
  State& s = state();
  (pinned ? s.counts.pinned_memory : s.counts.memory) -= static_cast<int64_t>(allocation.bytes);
  const uintptr_t base = found->first / kPage * kPage;
  // In place of the pages, none: the memory goes back to the system, its addresses do not.
  const void* gone = mmap(reinterpret_cast<void*>(base), allocation.mapped - kPage, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  return gone == MAP_FAILED ? cudaErrorUnknown : cudaSuccess;
}

// What a copy of this thread does when it is its turn.
cudaError_t copy(void* to, const void* from, size_t bytes, cudaStream_t stream) {
  const Where source = where(from, bytes), target = where(to, bytes);
  if (source == Where::Bad || target == Where::Bad) return cudaErrorInvalidValue;
  const std::shared_ptr<Stream> in = find(stream);
  if (!in) return cudaErrorInvalidResourceHandle;
  const bool pageable = source == Where::Pageable || target == Where::Pageable;
  if (pageable && in->capture) {  // its address would not be good when the graph runs
    in->capture->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  const bool dry = state().dry && source != Where::Pinned;
  const auto move = [to, from, bytes, dry, target] {
    if (!dry)
      std::memmove(to, from, bytes);
    else if (target != Where::Device)
      std::memset(to, 0, bytes);
  };
  if (!pageable) return submit(stream, "copy", false, move);
  if (source == Where::Pageable && target == Where::Device) {  // staged before the call returns
    if (state().dry) return submit(stream, "copy", false, [] {});
    return submit(
        stream, "copy", false,
        [to, staged = std::vector<char>(static_cast<const char*>(from), static_cast<const char*>(from) + bytes)] {
          std::memcpy(to, staged.data(), staged.size());
        });
  }
  const cudaError_t status = submit(stream, "copy", false, move);
  if (status == cudaSuccess) finish({in, in->submitted});  // to pageable memory: done when the call returns
  return status;
}

}  // namespace

Where where(const void* memory, size_t bytes) {
  const auto at = reinterpret_cast<uintptr_t>(memory);
  const auto after = allocations().upper_bound(at);
  if (after != allocations().end() && at + bytes > after->first) return Where::Bad;  // runs into it from outside
  if (after == allocations().begin()) return Where::Pageable;
  const auto& [begin, allocation] = *std::prev(after);
  if (at >= begin + allocation.bytes)
    return at < begin / kPage * kPage + allocation.mapped ? Where::Bad : Where::Pageable;
  if (!allocation.alive || at + bytes > begin + allocation.bytes) return Where::Bad;
  return allocation.pinned && !allocation.shared ? Where::Pinned : Where::Device;
}

bool in_device_memory(const void* memory, size_t bytes) {
  const std::lock_guard lock(state().mutex);
  return where(memory, bytes) == Where::Device;
}

}  // namespace standin

using namespace standin;

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* memory) {
  return call("cudaPointerGetAttributes", [&] {
    const Where place = where(memory, 1);
    if (attributes == nullptr || place == Where::Bad) return cudaErrorInvalidValue;
    *attributes = {};
    attributes->type = place == Where::Device   ? cudaMemoryTypeDevice
                       : place == Where::Pinned ? cudaMemoryTypeHost
                                                : cudaMemoryTypeUnregistered;
    return cudaSuccess;
  });
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  return call("cudaMalloc", [&] {
    const cudaError_t refused = refuse_in_capture(state().counts.allocations_in_capture);
    return refused != cudaSuccess ? refused : allocate(memory, bytes, false);
  });
}
cudaError_t cudaFree(void* memory) {
  return call("cudaFree", [&] {
    const cudaError_t refused = refuse_in_capture(state().counts.allocations_in_capture);
    return refused != cudaSuccess ? refused : release(memory, false);
  });
}
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned flags) {
  return call("cudaHostAlloc", [&] {
    const cudaError_t refused = refuse_in_capture(state().counts.allocations_in_capture);
    return refused != cudaSuccess ? refused : allocate(memory, bytes, true, (flags & cudaHostAllocMapped) != 0);
  });
}
cudaError_t cudaFreeHost(void* memory) {
  return call("cudaFreeHost", [&] {
    const cudaError_t refused = refuse_in_capture(state().counts.allocations_in_capture);
    return refused != cudaSuccess ? refused : release(memory, true);
  });
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  return call("cudaMemcpyAsync", [&] { return copy(to, from, bytes, stream); });
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return call("cudaMemsetAsync", [&] {
    if (where(to, bytes) != Where::Device) return cudaErrorInvalidValue;
    return submit(stream, "memset", false, [to, value, bytes] {
      if (!state().dry) std::memset(to, value, bytes);
    });
  });
}
cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
  return call("cudaMemGetInfo", [&] {
    *total = static_cast<size_t>(state().memory_limit);
    *available = *total - static_cast<size_t>(state().counts.memory);
    return cudaSuccess;
  });
}
