#include "kernels/device/host_memory.h"

#include <algorithm>
#include <string>

#include "kernels/advice.h"
#include "kernels/device/gpu.h"
#include "kernels/error.h"

namespace fovea {

PinnedMemory::PinnedMemory(DeviceKind device, size_t bytes) : device_(device), bytes_(bytes) {
  const size_t least = std::max<size_t>(bytes, 1);
  data_ = device == DeviceKind::Cuda ? Gpu::instance().allocate_pinned(least) : kernels::allocate_host(least);
  if (data_ == nullptr)
    throw Error(ErrorKind::OutOfMemory,
                "out of memory: " + std::to_string(bytes) + " bytes of host memory; " + advise(advice::kUseLessMemory));
}

PinnedMemory::~PinnedMemory() {
  if (device_ == DeviceKind::Cuda)
    Gpu::instance().free_pinned(data_);
  else
    std::free(data_);
}

UploadBuffers::UploadBuffers(DeviceKind device, size_t bytes) {
  for (auto& buffer : buffers_) buffer = std::make_unique<Buffer>(device, bytes);
}

std::byte* UploadBuffers::next() {
  current_ = 1 - current_;
  buffers_[current_]->copied.synchronize("the copy before the last");
  return buffers_[current_]->memory.data();
}

void UploadBuffers::send(Queue& queue, void* to) {
  Buffer& buffer = *buffers_[current_];
  queue.copy(to, buffer.memory.data(), buffer.memory.bytes());
  buffer.copied.record(queue);
}

}  // namespace fovea
