#include "kernels/device/recordings.h"

#include "kernels/device/memory.h"

namespace fovea {

void Recordings::add(const Held& recording) {
  std::erase_if(held_, [](const auto& held) { return held.expired(); });
  held_.push_back(recording);
}

void Recordings::give_up() {
  if (!std::exchange(given_up_, true) && notice_) notice_();
  queue_.synchronize("freeing recordings");
  for (const auto& held : held_)
    if (const Held recording = held.lock()) recording->reset();
  held_.clear();
  queue_.memory().join_pools();
}

}  // namespace fovea
