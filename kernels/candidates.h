// The first two steps of detection (kernels/nms.cu): from logits to the best candidates of each level.
#pragma once
#include "kernels/launch/math.h"
#include "kernels/launch/pack.h"
#include "kernels/level_view.h"
#include "kernels/select.h"

namespace fovea::kernels {

inline constexpr int kScanLocations = 32;  // of one block of the scan
inline constexpr int kFound = 1024;        // candidates that a block of the scan keeps at hand

// The lists of candidates: of each image and level as scanned, then of each image.
struct CandidateLists {
  uint64_t* scanned = nullptr;         // [images, first[levels]]
  int64_t first[kMaxLevels + 1] = {};  // of each level's list in an image's
  int32_t* scanned_counts = nullptr;   // [images, levels]
  uint64_t* best = nullptr;            // [images, capacity]
  int32_t* best_counts = nullptr;      // [images]
  int levels = 0, capacity = 0, per_level = 0;

  // The scanned list of a level. (`first` is indexed by constants: nvcc would keep a copy of it in local memory.)
  FOVEA_HD uint64_t* scanned_of(int64_t image, int level) const {
    return scanned + image * first_of(levels) + first_of(level);
  }

 private:
  FOVEA_HD int64_t first_of(int level) const {
    int64_t value = 0;
#pragma unroll
    for (int l = 0; l <= kMaxLevels; ++l) value = l == level ? first[l] : value;
    return value;
  }
};

struct ListShared {
  SelectShared select;
  int32_t base, next;
};
struct ScanShared : ListShared {
  int32_t found;
  uint64_t keys[kFound];
};

// Appends the `wanted` best of the keys that `visit` shows (`total` of them) to a list that blocks share.
template <class Block, class Visit>
FOVEA_HD void append_best(Block& block, ListShared& shared, int total, int wanted, const Visit& visit, uint64_t* list,
                          int32_t* count) {
  if (total == 0) return;
  const uint64_t bound = total > wanted ? bound_of_best(block, shared.select, wanted, visit) : 0;
  if (block.thread() == 0) {
    shared.base = atomic_add(count, total < wanted ? total : wanted);
    shared.next = 0;
  }
  block.sync();
  visit([=, &shared](uint64_t key) {
    if (key >= bound) list[shared.base + atomic_add(&shared.next, 1)] = key;
  });
}

// Packs of logits that a thread has on their way at a time, GPU.
inline constexpr int kBatch = 4;

// W: logits moved at a time on the GPU.
template <class T, int W>
struct ScanLogits {
  LevelView<const T> logits;
  float threshold;  // logit
  int first_class;
  CandidateLists lists;

  using Shared = ScanShared;
  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t row, Shared& shared) const {
    const LocationChunk chunk = logits.chunk(row, kScanLocations);
    uint64_t* list = lists.scanned_of(chunk.image, chunk.level);
    int32_t* count = lists.scanned_counts + chunk.image * lists.levels + chunk.level;
    const auto visit = [&](const auto& f) { each_above(block, chunk, f); };
    int total = 0;
    if constexpr (Block::size() > 1) {  // the logits are read once, unless there are very many candidates
      if (block.thread() == 0) shared.found = 0;
      block.sync();
      visit([&shared](uint64_t key) {
        const int slot = atomic_add(&shared.found, 1);
        if (slot < kFound) shared.keys[slot] = key;
      });
      block.sync();
      total = shared.found;
      if (total <= kFound) {
        const auto visit_found = [=, &block, &shared](const auto& f) {
          for (int i = block.thread(); i < total; i += block.size()) f(shared.keys[i]);
        };
        return append_best(block, shared, total, lists.per_level, visit_found, list, count);
      }
    } else {
      visit([&](uint64_t) { ++total; });
    }
    append_best(block, shared, total, lists.per_level, visit, list, count);
  }

 private:
  // The logit at `at`, the chunk's location and column.
  template <class F>
  FOVEA_HD void if_candidate(const LocationChunk& chunk, int location, int column, const T& at, const F& f) const {
    if (!(float(at) > threshold) || column >= logits.row_columns() || column % logits.columns < first_class) return;
    const uint32_t first = uint32_t(logits.anchor(chunk) + location * logits.anchors_per_location) * logits.columns;
    f(candidate_key(float(at), first + column));
  }

  template <class Block, class F>
  FOVEA_HD void each_above(Block& block, const LocationChunk& chunk, const F& f) const {
    if constexpr (Block::size() > 1)
      each_above_in_packs(block, chunk, f);
    else
      each_above_in_rows(chunk, f);
  }

  // GPU: the chunk's packs in turns, several of a thread on their way at a time.
  template <class Block, class F>
  FOVEA_HD void each_above_in_packs(Block& block, const LocationChunk& chunk, const F& f) const {
    const int packs = ceil_div(logits.row_columns(), W), step = block.size() / packs, rest = block.size() % packs;
    const T* x = logits.row(chunk);
    int location = block.thread() / packs, pack = block.thread() % packs;
    while (location < chunk.count) {
      Pack<T, W> values[kBatch];
      int at[kBatch];  // of the pack in the chunk
      bool any[kBatch];
#pragma unroll
      for (int b = 0; b < kBatch; ++b) {
        at[b] = location < chunk.count ? location * logits.pixel_stride + pack * W : -1;
        values[b] = load_pack<W>(x + (at[b] < 0 ? 0 : at[b]));
        location += step;
        pack += rest;
        if (pack >= packs) pack -= packs, ++location;
      }
#pragma unroll
      for (int b = 0; b < kBatch; ++b) {
        any[b] = false;
        for (int k = 0; k < W; ++k) any[b] |= float(values[b][k]) > threshold;
      }
#pragma unroll
      for (int b = 0; b < kBatch; ++b) {
        if (at[b] < 0 || !any[b]) continue;
        const int from = at[b] / logits.pixel_stride, column = at[b] - from * logits.pixel_stride;
#pragma unroll 1
        for (int k = 0; k < W; ++k) if_candidate(chunk, from, column + k, x[at[b] + k], f);
      }
    }
  }

  // CPU: most groups of columns are passed over by one vector test.
  template <class F>
  FOVEA_HD void each_above_in_rows(const LocationChunk& chunk, const F& f) const {
    constexpr int kGroup = 64;
    const int columns = logits.row_columns();
    for (int location = 0; location < chunk.count; ++location) {
      const T* x = logits.row(chunk) + int64_t{location} * logits.pixel_stride;
      for (int begin = 0; begin < columns; begin += kGroup) {
        const int end = begin + kGroup < columns ? begin + kGroup : columns;
        int any = 0;
#pragma omp simd reduction(| : any)
        for (int c = begin; c < end; ++c) any |= float(x[c]) > threshold;
        if (any == 0) continue;
        for (int c = begin; c < end; ++c) if_candidate(chunk, location, c, x[c], f);
      }
    }
  }
};

struct TopOfLevel {
  CandidateLists lists;

  using Shared = ListShared;
  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t row, Shared& shared) const {
    const int64_t image = row / lists.levels;
    const uint64_t* list = lists.scanned_of(image, static_cast<int>(row % lists.levels));
    const int total = lists.scanned_counts[row];
    const auto visit = [=, &block](const auto& f) {
      for (int i = block.thread(); i < total; i += block.size()) f(list[i]);
    };
    append_best(block, shared, total, lists.per_level, visit, lists.best + image * lists.capacity,
                lists.best_counts + image);
  }
};

}  // namespace fovea::kernels
