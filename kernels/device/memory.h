// The caching allocator of one queue. Memory freed is reused by later work of the same queue without waiting, because
// the queue runs in order; another queue has an allocator of its own. Two pools, which do not give to each other:
//   eager      for work that runs once, when it is submitted;
//   recorded   for what is allocated while the queue records, and for activations while it rehearses: a replay writes
//              there again, so that no eager work may have it, nor anything be kept in it between replays. All
//              recordings share it, for they run one after the other.
// Where memory runs out and there is no recording any more, the two become one, which serves all work.
// Branches of Queue::fork() run at the same time. Memory freed in the branch that allocated it, now or in an earlier
// fork, is reused by that branch, and after the join by all; what was allocated elsewhere is reused after the join.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "kernels/device/queue.h"

namespace fovea {

// What memory is for: the lines of the breakdown that is shown, and printed when it runs out.
enum class MemoryUse : uint8_t { Parameters, Gradients, OptimizerState, Activations, Data, Count };

struct MemoryStatistics {  // of both pools together
  static constexpr size_t kUses = static_cast<size_t>(MemoryUse::Count);
  std::array<size_t, kUses> current{}, at_peak{};  // bytes by use, now and when the total was highest
  size_t total = 0, peak = 0;                      // bytes in use
  size_t reserved = 0, peak_reserved = 0;          // bytes held from the system, in use or cached
  size_t recorded = 0;                             // of these, bytes of the recorded pool
  int64_t allocations = 0, from_system = 0;        // calls
};

class Allocator {
 public:
  explicit Allocator(Queue& queue);  // made by the queue: Queue::memory()
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  // At least `bytes`, aligned to 64 on the CPU, to 256 on a GPU. Throws Error(OutOfMemory) with the breakdown and what
  // to change.
  void* allocate(size_t bytes, MemoryUse use);
  void free(void* memory);

  Queue& queue() { return queue_; }
  const MemoryStatistics& statistics() const { return statistics_; }
  void reset_peak();
  // Gives unused segments back to the system: the recorded pool's only once there is no recording any more.
  void release_cached();
  // There is too little memory: what recordings had is for all work from now on, also for what rehearses. Nothing is
  // changed as long as there are recordings.
  void join_pools();
  // Gives unused segments back, `all`: and recordings, for which what they had is for all work. Nothing while the queue
  // records.
  void reclaim(bool all);
  std::string breakdown() const;

 private:
  struct Block {
    std::byte* begin;
    size_t bytes;
    MemoryUse use;
    bool free, first_of_segment;
    int branch;  // that has allocated it, or Queue::kNoBranch; if free: that alone may have it until the join
  };
  using Blocks = std::list<Block>;  // neighbors in memory are neighbors in the list, within a segment
  struct Pool {
    Blocks blocks;
    std::map<int, std::multimap<size_t, Blocks::iterator>> free;  // of a branch, or of all
  };
  struct Used {
    Pool* pool;
    Blocks::iterator block;
  };

  Pool& pool_for(MemoryUse use);
  Used place_for(size_t bytes, MemoryUse use);
  Blocks::iterator free_block(Pool& pool, size_t bytes) const;
  static Blocks::iterator take_free(Pool& pool, int branch, size_t bytes);
  Blocks::iterator new_segment(Pool& pool, size_t bytes);
  static void remember_free(Pool& pool, Blocks::iterator block);
  static void forget_free(Pool& pool, Blocks::iterator block);
  static bool joins_next(const Pool& pool, Blocks::iterator block);
  static void make_free(const Used& used);
  void give_back(const Used& used);
  void give_back_of_branches();
  void release_cached(Pool& pool);
  void count(const Block& block);
  void discount(const Block& block);

  Queue& queue_;
  size_t alignment_;
  Pool eager_, recorded_;
  std::map<void*, Used> used_;
  std::vector<Used> freed_elsewhere_;  // in a branch that had not allocated them
  bool joined_ = false;
  MemoryStatistics statistics_;
};

}  // namespace fovea
