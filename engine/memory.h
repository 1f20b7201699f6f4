// The caching allocator of one queue. Memory freed is reused by later work of the same queue without waiting, because
// the queue runs in order; another queue has an allocator of its own.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "kernels/queue.h"

namespace fovea {

// What memory is for: the lines of the breakdown that is shown, and printed when it runs out.
enum class MemoryUse : uint8_t { Parameters, Gradients, OptimizerState, Activations, Data, Count };

struct MemoryStatistics {
  static constexpr size_t kUses = static_cast<size_t>(MemoryUse::Count);
  std::array<size_t, kUses> current{}, at_peak{};  // bytes by use, now and when the total was highest
  size_t total = 0, peak = 0;                      // bytes in use
  size_t reserved = 0;                             // bytes held from the system, in use or cached
  int64_t allocations = 0, from_system = 0;        // calls
};

class Allocator {
 public:
  explicit Allocator(Queue& queue);
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  // At least `bytes`, aligned to 64. Throws Error(OutOfMemory) with the breakdown and what to change.
  void* allocate(size_t bytes, MemoryUse use);
  void free(void* memory);

  Queue& queue() { return queue_; }
  const MemoryStatistics& statistics() const { return statistics_; }
  void reset_peak();
  void release_cached();  // gives unused segments back to the system
  std::string breakdown() const;

 private:
  struct Block {
    std::byte* begin;
    size_t bytes;
    MemoryUse use;
    bool free, first_of_segment;
  };
  using Blocks = std::list<Block>;  // neighbours in memory are neighbours in the list, within a segment

  Blocks::iterator take_free(size_t bytes);
  Blocks::iterator new_segment(size_t bytes);
  void remember_free(Blocks::iterator block);
  void forget_free(Blocks::iterator block);
  void account(const Block& block);
  bool joins_next(Blocks::iterator block);

  Queue& queue_;
  Blocks blocks_;
  std::multimap<size_t, Blocks::iterator> free_;
  std::map<void*, Blocks::iterator> used_;
  MemoryStatistics statistics_;
};

}  // namespace fovea
