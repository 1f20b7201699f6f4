#include "tools/data/loading/pixels.h"

#include <algorithm>
#include <cstring>

#include "kernels/device/gpu.h"
#include "kernels/launch/math.h"

namespace fovea {

namespace {
constexpr size_t kAlignment = 256;
size_t aligned(size_t bytes) { return round_up(bytes, kAlignment); }
size_t bytes_of(const std::vector<LoadedImage>& loaded) {
  size_t bytes = 0;
  for (const LoadedImage& item : loaded) bytes += aligned(item.pixels().host_bytes());
  return bytes;
}
// Rows without gaps.
void pack(const PixelView& pixels, uint8_t* to) {
  const size_t row = pixels.row_bytes();
  if (pixels.row_stride == static_cast<int64_t>(row)) {
    std::memcpy(to, pixels.data, pixels.host_bytes());
    return;
  }
  for (int y = 0; y < pixels.height; ++y, to += row) std::memcpy(to, pixels.data + y * pixels.row_stride, row);
}
size_t with_room(size_t bytes) { return bytes + bytes / 4; }  // for larger images: growing is dear
// Lets a queue wait for what a stream that is no queue's has been given so far.
class StreamOfOthers {
 public:
  ~StreamOfOthers() {
    if (event_ != nullptr) Gpu::instance().destroy_event(event_);
  }
  StreamOfOthers() = default;
  StreamOfOthers(const StreamOfOthers&) = delete;
  StreamOfOthers& operator=(const StreamOfOthers&) = delete;

  void before(const Queue& queue, void* stream) {
    Gpu& gpu = Gpu::instance();
    if (event_ == nullptr) event_ = gpu.create_event(/*timed=*/false);
    gpu.record(event_, stream);
    gpu.wait(queue.stream(), event_);
  }

 private:
  void* event_ = nullptr;
};

}  // namespace

struct PixelStaging::Slot {
  Slot(Context& context, size_t bytes)
      : host(DeviceKind::Cuda, bytes),
        device(Tensor::empty(context.memory, {static_cast<int64_t>(bytes)}, DType::U8, MemoryUse::Data)) {}
  HostBuffer<uint8_t> host;
  Tensor device;
  Event copied{DeviceKind::Cuda}, used{DeviceKind::Cuda};
  StreamOfOthers written;
};

PixelStaging::PixelStaging(Context& context) : context_(context) {
  if (context.queue.on_cuda()) copies_ = std::make_unique<Queue>(DeviceKind::Cuda);
}

PixelStaging::~PixelStaging() = default;

// The slot that was used two uploads ago, made larger where it must be.
PixelStaging::Slot& PixelStaging::next_slot(size_t bytes) {
  auto& slot = slots_[uploads_++ % kSlots];
  if (slot) slot->used.synchronize("the work on a batch two before");
  if (!slot || slot->host.bytes() < bytes) {
    slot.reset();
    slot = std::make_unique<Slot>(context_, with_room(bytes));
    slot->used.record(context_.queue);  // the memory may have been another tensor's, which work under way still reads
    copies_->wait(slot->used);
  }
  return *slot;
}

std::vector<PixelView> PixelStaging::upload(const std::vector<LoadedImage>& loaded) {
  std::vector<PixelView> pixels;
  for (const LoadedImage& item : loaded) pixels.push_back(item.pixels());
  if (!copies_) return pixels;
  Slot& slot = next_slot(std::max(bytes_of(loaded), kAlignment));
  size_t offset = 0;
  for (PixelView& image : pixels) {
    if (image.on_gpu) {
      slot.written.before(context_.queue, image.stream);
      continue;
    }
    const size_t bytes = image.host_bytes();
    pack(image, slot.host.data() + offset);
    image.data = slot.device.data<uint8_t>() + offset;
    image.row_stride = static_cast<int64_t>(image.row_bytes());
    offset += aligned(bytes);
  }
  if (offset == 0) return pixels;
  copies_->copy(slot.device.raw(), slot.host.data(), offset);
  slot.copied.record(*copies_);
  context_.queue.wait(slot.copied);
  return pixels;
}

size_t PixelStaging::room_for(const std::vector<LoadedImage>& loaded) { return kSlots * with_room(bytes_of(loaded)); }

void PixelStaging::used() {
  const auto& last = slots_[(uploads_ + kSlots - 1) % kSlots];
  if (last) last->used.record(context_.queue);
}

}  // namespace fovea
