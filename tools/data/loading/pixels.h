// The pixels of loaded images on their way to the device, beside the work on the batch before.
#pragma once
#include <memory>
#include <vector>

#include "engine/context.h"
#include "tools/data/loading/loader.h"

namespace fovea {

class PixelStaging {
 public:
  explicit PixelStaging(Context& context);
  ~PixelStaging();

  // Where the work that is enqueued next finds each image, until used() and two more uploads. On the CPU that is the
  // loaded images themselves; for a GPU they are copied on a queue of their own, which the context's waits for. What is
  // on the GPU already is read there, once its stream has written it.
  std::vector<PixelView> upload(const std::vector<LoadedImage>& loaded);
  // Bytes of the device's memory that uploads like this one keep.
  static size_t room_for(const std::vector<LoadedImage>& loaded);
  // All work that reads the last upload was enqueued, or will not be.
  void used();

 private:
  struct Slot;
  Slot& next_slot(size_t bytes);

  Context& context_;
  std::unique_ptr<Queue> copies_;  // none on the CPU
  static constexpr size_t kSlots = 2;
  std::unique_ptr<Slot> slots_[kSlots];
  size_t uploads_ = 0;
};

}  // namespace fovea
