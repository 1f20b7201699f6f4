#include "kernels/conv/packed_weights.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/advice.h"
#include "kernels/device/host_memory.h"

namespace fovea::kernels {

PackedWeights::PackedWeights() : PackedWeights(Memory{allocate_host, std::free}) {}

const void* PackedWeights::get(const ConvWeights& weights, int form, size_t bytes, void* scratch, const Pack& pack,
                               uint64_t capture) {
  if (weights.version == nullptr) {
    pack(scratch);
    return scratch;
  }
  const Key key{weights.data, weights.version, form};
  auto found = entries_.find(key);
  if (found != entries_.end() && found->second.bytes != bytes) {  // other weights live at this address now
    bytes_ -= found->second.bytes;
    entries_.erase(found);
    found = entries_.end();
  }
  if (found == entries_.end()) {
    make_room(bytes);
    Entry entry;
    entry.packed = {memory_.allocate(bytes), memory_.release};
    entry.bytes = bytes;
    if (entry.packed == nullptr)
      throw Error(ErrorKind::OutOfMemory, "out of memory: " + std::to_string(bytes) + " bytes of packed weights; " +
                                              advise(advice::kUseLessMemory));
    found = entries_.emplace(key, std::move(entry)).first;
    bytes_ += bytes;
  }
  Entry& entry = found->second;
  const uint64_t version = *weights.version;
  const bool made =
      capture == 0 ? entry.version == version : entry.capture == capture && entry.captured_version == version;
  if (!made) pack(entry.packed.get());
  if (capture == 0)
    entry.version = version;
  else
    entry.capture = capture, entry.captured_version = version;
  entry.last_use = ++clock_;
  return entry.packed.get();
}

void PackedWeights::make_room(size_t bytes) {
  while (!entries_.empty() && bytes_ + bytes > budget_) {
    const auto oldest = std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
      return a.second.last_use < b.second.last_use;
    });
    bytes_ -= oldest->second.bytes;
    entries_.erase(oldest);
  }
}

void PackedWeights::set_budget(size_t budget) {
  budget_ = budget;
  make_room(0);
}

void PackedWeights::clear() {
  entries_.clear();
  bytes_ = 0;
}

}  // namespace fovea::kernels
