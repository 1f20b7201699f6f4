#include "kernels/device/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "kernels/advice.h"
#include "kernels/device/device_memory.h"
#include "kernels/device/recordings.h"
#include "kernels/error.h"
#include "kernels/launch/math.h"

namespace fovea {

namespace {

constexpr size_t kSegment = size_t{2} << 20;  // the least taken from the system at once

size_t rounded_up(size_t bytes, size_t unit) { return round_up(std::max<size_t>(bytes, 1), unit); }
double mib(size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

constexpr const char* kUseNames[] = {"parameters", "gradients", "optimizer state", "activations", "data"};

}  // namespace

Allocator::Allocator(Queue& queue) : queue_(queue), alignment_(queue.on_cuda() ? 256 : 64) {}

Allocator::~Allocator() {
  for (const Pool* pool : {&eager_, &recorded_})
    for (const Block& block : pool->blocks)
      if (block.first_of_segment) device_free(queue_.device(), block.begin);
}

void* Allocator::allocate(size_t bytes, MemoryUse use) {
  give_back_of_branches();
  bytes = rounded_up(bytes, alignment_);
  const auto [owner, block] = place_for(bytes, use);
  Pool& pool = *owner;
  const bool counted = block->branch != Queue::kNoBranch;
  if (counted) discount(*block);
  if (block->bytes > bytes) {
    const auto rest = pool.blocks.insert(
        std::next(block), Block{block->begin + bytes, block->bytes - bytes, use, true, false, block->branch});
    block->bytes = bytes;
    remember_free(pool, rest);
    if (counted) count(*rest);
  }
  block->free = false;
  block->use = use;
  block->branch = queue_.branch();
  used_[block->begin] = {&pool, block};
  ++statistics_.allocations;
  count(*block);
  return block->begin;
}

Allocator::Pool& Allocator::pool_for(MemoryUse use) {
  // What a rehearsal makes to be kept (tables, derived weights) must be out of the reach of recordings made before.
  const bool rehearsed = queue_.in_recorded_memory() && use == MemoryUse::Activations && !joined_;
  return queue_.recording() || rehearsed ? recorded_ : eager_;
}

// Each time that there is no place, more is given up to make some.
Allocator::Used Allocator::place_for(size_t bytes, MemoryUse use) {
  enum { kRelease, kGiveUp, kFail };
  for (int next = kRelease;; ++next) {
    Pool& pool = pool_for(use);
    auto block = free_block(pool, bytes);
    if (block == pool.blocks.end()) block = new_segment(pool, bytes);
    if (block != pool.blocks.end()) return {&pool, block};
    if (next == kFail || queue_.recording())
      throw Error(ErrorKind::OutOfMemory, fmt::format("out of memory: {:.1f} MiB more needed; {}. In use:\n{}",
                                                      mib(bytes), advise(advice::kUseLessMemory), breakdown()));
    reclaim(/*all=*/next == kGiveUp);
  }
}

void Allocator::free(void* memory) {
  give_back_of_branches();
  const auto found = used_.find(memory);
  require(found != used_.end(), "freed memory that this allocator did not allocate");
  const Used used = found->second;
  used_.erase(found);
  if (!queue_.forked())
    give_back(used);
  else if (used.block->branch == queue_.branch())
    make_free(used);  // counts as used, since other branches may not have it
  else
    freed_elsewhere_.push_back(used);
}

void Allocator::give_back_of_branches() {
  if (queue_.forked()) return;
  for (Pool* pool : {&eager_, &recorded_})
    for (auto of = pool->free.upper_bound(Queue::kNoBranch); of != pool->free.end(); of = pool->free.erase(of))
      while (!of->second.empty()) {
        const auto block = of->second.begin()->second;
        of->second.erase(of->second.begin());
        give_back({pool, block});
      }
  for (const Used& used : freed_elsewhere_) give_back(used);
  freed_elsewhere_.clear();
}

// To all.
void Allocator::give_back(const Used& used) {
  discount(*used.block);
  used.block->branch = Queue::kNoBranch;
  make_free(used);
}

// To the block's branch.
void Allocator::make_free(const Used& used) {
  Pool& pool = *used.pool;
  auto block = used.block;
  block->free = true;
  if (joins_next(pool, block)) {
    forget_free(pool, std::next(block));
    block->bytes += std::next(block)->bytes;
    pool.blocks.erase(std::next(block));
  }
  if (!block->first_of_segment && joins_next(pool, std::prev(block))) {
    const auto previous = std::prev(block);
    forget_free(pool, previous);
    previous->bytes += block->bytes;
    pool.blocks.erase(block);
    block = previous;
  }
  remember_free(pool, block);
}

bool Allocator::joins_next(const Pool& pool, Blocks::iterator block) {
  const auto next = std::next(block);
  if (next == pool.blocks.end() || next->first_of_segment || !block->free || !next->free) return false;
  const bool counted = block->branch != Queue::kNoBranch;  // then each under its own use
  return block->branch == next->branch && (!counted || block->use == next->use);
}

Allocator::Blocks::iterator Allocator::free_block(Pool& pool, size_t bytes) const {
  const int branch = queue_.branch();
  const auto block = take_free(pool, branch, bytes);
  return block != pool.blocks.end() || branch == Queue::kNoBranch ? block : take_free(pool, Queue::kNoBranch, bytes);
}

Allocator::Blocks::iterator Allocator::take_free(Pool& pool, int branch, size_t bytes) {
  auto& free = pool.free[branch];
  const auto fit = free.lower_bound(bytes);  // best fit
  if (fit == free.end()) return pool.blocks.end();
  const auto block = fit->second;
  free.erase(fit);
  return block;
}

// The end where the system has none left.
Allocator::Blocks::iterator Allocator::new_segment(Pool& pool, size_t bytes) {
  queue_.note_growth();
  const size_t segment = rounded_up(bytes, kSegment);
  void* memory = device_allocate(queue_.device(), segment);
  if (memory == nullptr) return pool.blocks.end();
  statistics_.reserved += segment;
  statistics_.peak_reserved = std::max(statistics_.peak_reserved, statistics_.reserved);
  if (&pool == &recorded_) statistics_.recorded += segment;
  ++statistics_.from_system;
  return pool.blocks.insert(pool.blocks.end(), Block{static_cast<std::byte*>(memory), segment, MemoryUse::Data, true,
                                                     true, Queue::kNoBranch});
}

void Allocator::reclaim(bool all) {
  if (queue_.recording()) return;  // which must not wait, and so not free either
  if (all && queue_.recording_count() > 0) queue_.recordings().give_up();
  if (all) join_pools();
  release_cached();
}

void Allocator::join_pools() {
  if (queue_.recording_count() > 0) return;
  joined_ = true;
  give_back_of_branches();
  for (auto& [memory, used] : used_) used.pool = &eager_;
  for (Used& used : freed_elsewhere_) used.pool = &eager_;
  for (auto& [branch, free] : recorded_.free) eager_.free[branch].merge(free);
  eager_.blocks.splice(eager_.blocks.end(), recorded_.blocks);
  recorded_.free.clear();
  statistics_.recorded = 0;
}

void Allocator::remember_free(Pool& pool, Blocks::iterator block) {
  pool.free[block->branch].emplace(block->bytes, block);
}

void Allocator::forget_free(Pool& pool, Blocks::iterator block) {
  auto& free = pool.free[block->branch];
  const auto [first, last] = free.equal_range(block->bytes);
  free.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == block; }));
}

void Allocator::count(const Block& block) {
  statistics_.current[static_cast<size_t>(block.use)] += block.bytes;
  statistics_.total += block.bytes;
  if (statistics_.total <= statistics_.peak) return;
  statistics_.peak = statistics_.total;
  statistics_.at_peak = statistics_.current;
}

void Allocator::discount(const Block& block) {
  statistics_.current[static_cast<size_t>(block.use)] -= block.bytes;
  statistics_.total -= block.bytes;
}

void Allocator::reset_peak() {
  statistics_.peak = statistics_.total;
  statistics_.peak_reserved = statistics_.reserved;
  statistics_.at_peak = statistics_.current;
}

void Allocator::release_cached() {
  queue_.synchronize("releasing cached memory");
  give_back_of_branches();
  release_cached(eager_);
  if (queue_.recording_count() == 0) release_cached(recorded_);
}

void Allocator::release_cached(Pool& pool) {
  for (auto block = pool.blocks.begin(); block != pool.blocks.end();) {
    const auto next = std::next(block);
    const bool whole_segment = block->free && block->branch == Queue::kNoBranch && block->first_of_segment &&
                               (next == pool.blocks.end() || next->first_of_segment);
    if (whole_segment) {
      statistics_.reserved -= block->bytes;
      if (&pool == &recorded_) statistics_.recorded -= block->bytes;
      device_free(queue_.device(), block->begin);
      forget_free(pool, block);
      pool.blocks.erase(block);
    }
    block = next;
  }
}

std::string Allocator::breakdown() const {
  std::string text;
  for (size_t use = 0; use < MemoryStatistics::kUses; ++use)
    text += fmt::format("  {:<16}{:>10.1f} MiB now {:>10.1f} MiB at the peak\n", kUseNames[use],
                        mib(statistics_.current[use]), mib(statistics_.at_peak[use]));
  text += fmt::format("  {:<16}{:>10.1f} MiB now {:>10.1f} MiB at the peak, {:.1f} MiB reserved\n", "total",
                      mib(statistics_.total), mib(statistics_.peak), mib(statistics_.reserved));
  if (queue_.workspace_bytes() > 0)
    text += fmt::format("  {:<16}{:>10.1f} MiB more\n", "workspaces", mib(queue_.workspace_bytes()));
  return text;
}

}  // namespace fovea
