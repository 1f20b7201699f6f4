#include "tools/data/loading/pixels.h"

#include "kernels/launch/math.h"

#include <cstring>

namespace fovea {

namespace {
constexpr size_t kAlignment = 256;
size_t aligned(size_t bytes) { return round_up(bytes, kAlignment); }
size_t bytes_of(const std::vector<LoadedImage>& loaded) {
  size_t bytes = 0;
  for (const LoadedImage& item : loaded) bytes += aligned(item.image->rgb.size());
  return bytes;
}
size_t with_room(size_t bytes) { return bytes + bytes / 4; }  // for larger images: growing is dear
}  // namespace

struct PixelStaging::Slot {
  Slot(Context& context, size_t bytes)
      : host(DeviceKind::Cuda, bytes),
        device(Tensor::empty(context.memory, {static_cast<int64_t>(bytes)}, DType::U8, MemoryUse::Data)) {}
  HostBuffer<uint8_t> host;
  Tensor device;
  Event copied{DeviceKind::Cuda}, used{DeviceKind::Cuda};
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

std::vector<const uint8_t*> PixelStaging::upload(const std::vector<LoadedImage>& loaded) {
  std::vector<const uint8_t*> pixels;
  if (!copies_) {
    for (const LoadedImage& item : loaded) pixels.push_back(item.image->rgb.data());
    return pixels;
  }
  Slot& slot = next_slot(bytes_of(loaded));
  size_t offset = 0;
  for (const LoadedImage& item : loaded) {
    std::memcpy(slot.host.data() + offset, item.image->rgb.data(), item.image->rgb.size());
    pixels.push_back(slot.device.data<uint8_t>() + offset);
    offset += aligned(item.image->rgb.size());
  }
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
