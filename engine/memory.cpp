#include "engine/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "engine/device_memory.h"

namespace fovea {

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kSegment = size_t{2} << 20;  // the least taken from the system at once

size_t rounded_up(size_t bytes, size_t unit) { return (std::max<size_t>(bytes, 1) + unit - 1) / unit * unit; }

constexpr const char* kUseNames[] = {"parameters", "gradients", "optimiser state", "activations", "data"};

}  // namespace

Allocator::Allocator(Queue& queue) : queue_(queue) {}

Allocator::~Allocator() {
  for (const Block& block : blocks_)
    if (block.first_of_segment) device_free(queue_.device(), block.begin);
}

void* Allocator::allocate(size_t bytes, MemoryUse use) {
  bytes = rounded_up(bytes, kAlignment);
  auto block = take_free(bytes);
  if (block == blocks_.end()) block = new_segment(bytes);
  if (block->bytes > bytes) {
    const auto rest =
        blocks_.insert(std::next(block), Block{block->begin + bytes, block->bytes - bytes, use, true, false});
    block->bytes = bytes;
    remember_free(rest);
  }
  block->free = false;
  block->use = use;
  used_[block->begin] = block;
  account(*block);
  return block->begin;
}

void Allocator::free(void* memory) {
  const auto found = used_.find(memory);
  require(found != used_.end(), "memory freed that this allocator did not give");
  auto block = found->second;
  used_.erase(found);
  statistics_.current[static_cast<size_t>(block->use)] -= block->bytes;
  statistics_.total -= block->bytes;
  block->free = true;
  if (joins_next(block)) {
    forget_free(std::next(block));
    block->bytes += std::next(block)->bytes;
    blocks_.erase(std::next(block));
  }
  if (!block->first_of_segment && std::prev(block)->free) {
    const auto previous = std::prev(block);
    forget_free(previous);
    previous->bytes += block->bytes;
    blocks_.erase(block);
    block = previous;
  }
  remember_free(block);
}

bool Allocator::joins_next(Blocks::iterator block) {
  const auto next = std::next(block);
  return next != blocks_.end() && next->free && !next->first_of_segment;
}

Allocator::Blocks::iterator Allocator::take_free(size_t bytes) {
  const auto fit = free_.lower_bound(bytes);  // best fit
  if (fit == free_.end()) return blocks_.end();
  const auto block = fit->second;
  free_.erase(fit);
  return block;
}

Allocator::Blocks::iterator Allocator::new_segment(size_t bytes) {
  const size_t segment = rounded_up(bytes, kSegment);
  void* memory = device_allocate(queue_.device(), segment);
  if (memory == nullptr) {
    release_cached();
    memory = device_allocate(queue_.device(), segment);
  }
  if (memory == nullptr)
    throw Error(ErrorKind::OutOfMemory, fmt::format("out of memory: {:.1f} MiB more are needed.\n{}Use a smaller "
                                                    "train.batch or input size, or --precision bf16.",
                                                    static_cast<double>(bytes) / (1 << 20), breakdown()));
  statistics_.reserved += segment;
  ++statistics_.from_system;
  return blocks_.insert(blocks_.end(), Block{static_cast<std::byte*>(memory), segment, MemoryUse::Data, true, true});
}

void Allocator::remember_free(Blocks::iterator block) { free_.emplace(block->bytes, block); }

void Allocator::forget_free(Blocks::iterator block) {
  const auto [first, last] = free_.equal_range(block->bytes);
  free_.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == block; }));
}

void Allocator::account(const Block& block) {
  ++statistics_.allocations;
  statistics_.current[static_cast<size_t>(block.use)] += block.bytes;
  statistics_.total += block.bytes;
  if (statistics_.total <= statistics_.peak) return;
  statistics_.peak = statistics_.total;
  statistics_.at_peak = statistics_.current;
}

void Allocator::reset_peak() {
  statistics_.peak = statistics_.total;
  statistics_.at_peak = statistics_.current;
}

void Allocator::release_cached() {
  queue_.synchronize("releasing cached memory");
  for (auto block = blocks_.begin(); block != blocks_.end();) {
    const auto next = std::next(block);
    const bool whole_segment =
        block->free && block->first_of_segment && (next == blocks_.end() || next->first_of_segment);
    if (whole_segment) {
      statistics_.reserved -= block->bytes;
      device_free(queue_.device(), block->begin);
      forget_free(block);
      blocks_.erase(block);
    }
    block = next;
  }
}

std::string Allocator::breakdown() const {
  std::string text;
  for (size_t use = 0; use < MemoryStatistics::kUses; ++use)
    text += fmt::format("  {:<16}{:>10.1f} MiB now {:>10.1f} MiB at the peak\n", kUseNames[use],
                        static_cast<double>(statistics_.current[use]) / (1 << 20),
                        static_cast<double>(statistics_.at_peak[use]) / (1 << 20));
  text +=
      fmt::format("  {:<16}{:>10.1f} MiB now {:>10.1f} MiB at the peak, {:.1f} MiB reserved\n", "total",
                  static_cast<double>(statistics_.total) / (1 << 20), static_cast<double>(statistics_.peak) / (1 << 20),
                  static_cast<double>(statistics_.reserved) / (1 << 20));
  return text;
}

}  // namespace fovea
