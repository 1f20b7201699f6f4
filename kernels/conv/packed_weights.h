// Packed forms of weights (oneDNN's layouts, Winograd's transforms), kept between calls while the weights' version is
// the same, least recently used ones freed first beyond a budget.
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>

#include "kernels/conv/conv.h"

namespace fovea::kernels {

class PackedWeights {
 public:
  using Pack = std::function<void(void* packed)>;
  struct Memory {
    void* (*allocate)(size_t bytes);  // nullptr, or throws, where there is none left
    void (*release)(void* memory);
  };

  PackedWeights();  // in the host's memory
  explicit PackedWeights(Memory memory) : memory_(memory) {}

  // The form `form` of the weights, made by `pack` if it is not held: in memory of its own, or in `scratch` (as large)
  // if the weights have no version. Valid until the next call.
  // `capture`: of Queue::capture_number(). What is captured runs later, maybe with other weights, maybe never: a
  // capture makes each form that it needs itself, once, and does not count as having made it for anybody else.
  const void* get(const ConvWeights& weights, int form, size_t bytes, void* scratch, const Pack& pack,
                  uint64_t capture = 0);

  // Bytes of scratch that get() needs.
  static size_t scratch_bytes(const ConvWeights& weights, size_t bytes) { return weights.version ? 0 : bytes; }

  size_t bytes() const { return bytes_; }
  void set_budget(size_t budget);
  void clear();

 private:
  struct Entry {
    std::unique_ptr<void, void (*)(void*)> packed{nullptr, nullptr};
    size_t bytes = 0;
    std::optional<uint64_t> version;             // that was packed; not in a capture
    uint64_t capture = 0, captured_version = 0;  // the last capture that packs it
    uint64_t last_use = 0;
  };
  struct Key {
    const void* data;
    const uint64_t* version;
    int form;
    auto operator<=>(const Key&) const = default;
  };

  void make_room(size_t bytes);

  Memory memory_;
  std::map<Key, Entry> entries_;
  size_t bytes_ = 0;
  size_t budget_ = std::numeric_limits<size_t>::max();
  uint64_t clock_ = 0;
};

}  // namespace fovea::kernels
