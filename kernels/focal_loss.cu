// The focal loss over all logits: kernels/focal_term.h has the equation and its derivative.
#include "kernels/focal_loss.h"

#include <algorithm>

#include "kernels/error.h"
#include "kernels/focal_term.h"
#include "kernels/launch/atomic.h"
#include "kernels/launch/bits.h"
#include "kernels/launch/launch.h"
#include "kernels/launch/math.h"
#include "kernels/launch/pack.h"
#include "kernels/partial_sums.h"

namespace fovea::kernels {
namespace {

constexpr int kBlock = 256;
constexpr int kTilePacks = 32;           // packs of columns of one block, at most
constexpr int kLocations = 64;           // of a chunk, where there are many: a group's row of sums costs 1/64 of the
constexpr int kFewLocations = 32;        //   traffic or less; where there are few, so that every SM has several blocks
constexpr int64_t kEnoughBlocks = 2048;  // 132 SMs, four blocks each, four rounds
constexpr int64_t kMostChunks = 16;      // of a group

constexpr float kNoLogit = -1e4f;  // stands for padding: its loss and its gradient are 0

// Loss of the element at x, its gradient into g and added to `bias`.
template <Gamma GAMMA, class T>
FOVEA_HD float focal_element(const T& x, T& g, float* bias, bool is_target, float weight, float gamma) {
  const float sign = is_target ? -1.f : 1.f;
  const FocalTerm term = focal_term<GAMMA>(sign * float(x), gamma);
  const float d_loss_d_logit = sign * weight * term.derivative();
  g = T(d_loss_d_logit);
  *bias += d_loss_d_logit;
  return weight * term.loss();
}

// The same of background columns, on the CPU: one function for all widths of a pack. sums: of the columns or nullptr.
template <Gamma GAMMA, class T>
FOVEA_HD_NOINLINE float focal_background(const T* x, T* g, float* sums, int count, float weight, float gamma) {
  float loss = 0;
  if (sums != nullptr) {
#pragma omp simd reduction(+ : loss)
    for (int c = 0; c < count; ++c) loss += focal_element<GAMMA>(x[c], g[c], sums + c, false, weight, gamma);
  } else {
#pragma omp simd reduction(+ : loss)
    for (int c = 0; c < count; ++c) {
      float unused = 0;
      loss += focal_element<GAMMA>(x[c], g[c], &unused, false, weight, gamma);
    }
  }
  return loss;
}

// How the work is cut, by shapes only. A row of a location's columns is cut into tiles of packs, the locations into
// chunks and those into groups; one block takes a tile of a group and leaves one partial loss and its columns' sums.
struct FocalTiling {
  int locations;  // of a chunk
  int chunks, groups, chunks_per_group;
  int packs, tiles, tile_packs;  // packs of a location with its padding

  template <class T>
  static FocalTiling make(const LevelView<const T>& logits, int pack) {
    FocalTiling plan;
    plan.packs = ceil_div(logits.pixel_stride, pack);
    plan.tiles = ceil_div(plan.packs, kTilePacks);
    plan.tile_packs = ceil_div(plan.packs, plan.tiles);
    const int64_t images = logits.images;
    plan.locations = images * logits.chunks(kLocations) * plan.tiles >= kEnoughBlocks ? kLocations : kFewLocations;
    plan.chunks = logits.images * logits.chunks(plan.locations);
    plan.chunks_per_group =
        static_cast<int>(std::clamp<int64_t>(plan.chunks * int64_t{plan.tiles} / kEnoughBlocks, 1, kMostChunks));
    plan.groups = ceil_div(plan.chunks, plan.chunks_per_group);
    return plan;
  }
};

// A column is one (anchor of the location, class). W: elements of a pack.
template <class T, Gamma GAMMA, int W>
struct FocalLoss {
  LevelView<const T> logits;
  LevelView<T> gradient;
  const int32_t* targets;
  const float* scale;
  float target_weight, other_weight, gamma;
  FocalTiling plan;
  float* bias;    // [groups, row columns] sums of the gradient, or nullptr
  float* losses;  // [groups, tiles]

  struct Shared {
    LocationChunk chunk;
    int first, width;              // columns of the tile
    uint64_t rows;                 // bit i: location i of the chunk has special anchors
    uint32_t special[kLocations];  // of a location, bit a % 32: anchor a has a class or is ignored
    float bias[kBlock * W];        // [row lanes, columns of the tile]
    float special_bias[kBlock];    // what the special anchors add to a column
  };

  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t task, Shared& shared) const {
    const int group = static_cast<int>(task / plan.tiles), tile = static_cast<int>(task % plan.tiles);
    if constexpr (Block::size() > 1) {
      const float loss = block.sum(tile_of_group(block, group, tile, shared));
      if (block.thread() == 0) losses[task] = loss;
    } else if (tile == 0) {  // one thread takes whole rows, as memory lies
      rows_of_group(group);
    }
  }

 private:
  struct Weights {
    float target, other;
  };
  FOVEA_HD Weights weights_of(int image) const { return {target_weight * scale[image], other_weight * scale[image]}; }
  FOVEA_HD const int32_t* targets_of(const LocationChunk& chunk) const {
    return targets + int64_t{chunk.image} * logits.anchors() + logits.anchor(chunk);
  }
  FOVEA_HD int last_chunk(int group) const {
    const int last = (group + 1) * plan.chunks_per_group;
    return last < plan.chunks ? last : plan.chunks;
  }

  // ---- GPU ----

  // A thread owns one pack of columns and walks down the locations. Packs with special anchors, which are few, are
  // left out and done afterwards column by column, so that the main loop knows background only and moves packs only.
  template <class Block>
  FOVEA_HD float tile_of_group(Block& block, int group, int tile, Shared& shared) const {
    const int first_pack = tile * plan.tile_packs, rest = plan.packs - first_pack;
    const int width = rest < plan.tile_packs ? rest : plan.tile_packs, row_lanes = block.size() / width;
    const int row = block.thread() / width, columns = logits.row_columns();
    const int column = (first_pack + block.thread() % width) * W;  // of the pack of this thread
    const bool padded = columns < (first_pack + width) * W;
    const uint32_t anchors = anchors_of_pack(column);
    float sums[W] = {}, loss = 0;
    shared.special_bias[block.thread()] = 0;
    if (block.thread() == 0) shared.first = first_pack * W, shared.width = width * W;

    for (int index = group * plan.chunks_per_group; index < last_chunk(group); ++index) {
      find_special(block, index, shared);
      if (row < row_lanes) {
        const LocationChunk chunk = shared.chunk;
        const Walk walk{.x = logits.row(chunk) + column,
                        .g = gradient.row(chunk) + column,
                        .first = row,
                        .step = row_lanes,
                        .count = chunk.count,
                        .real = columns - column,
                        .anchors = anchors};
        const float weight = weights_of(chunk.image).other;
        loss += padded ? background_packs<true>(walk, shared.special, weight, sums)
                       : background_packs<false>(walk, shared.special, weight, sums);
      }
      block.sync();  // What is needed below is read again after it, not kept in registers over the main loop.
      if (shared.rows != 0) loss += special_columns(block.thread(), shared);
      block.sync();  // `special` belongs to the next chunk from here on
    }
    if (bias == nullptr) return loss;
    if (row < row_lanes)
      for (int k = 0; k < W; ++k) shared.bias[block.thread() * W + k] = sums[k];
    block.sync();
    const int own = shared.first + block.thread();
    if (block.thread() >= shared.width || own >= columns) return loss;
    float sum = shared.special_bias[block.thread()];
    for (int r = 0; r < row_lanes; ++r) sum += shared.bias[r * shared.width + block.thread()];
    bias[int64_t{group} * columns + own] = sum;
    return loss;
  }

  // Bits, as in Shared::special, of the anchors that the pack at `column` touches.
  FOVEA_HD uint32_t anchors_of_pack(int column) const {
    uint32_t bits = 0;
    for (int anchor = column / logits.columns; anchor * logits.columns < column + W; ++anchor)
      bits |= 1u << anchor % 32;
    return bits;
  }

  template <class Block>
  FOVEA_HD void find_special(Block& block, int index, Shared& shared) const {
    if (block.thread() < kLocations) shared.special[block.thread()] = 0;
    if (block.thread() == 0) {
      shared.chunk = logits.chunk(index, plan.locations);
      shared.rows = 0;
    }
    block.sync();
    const LocationChunk chunk = shared.chunk;
    const int32_t* target = targets_of(chunk);
    const int anchors = logits.anchors_per_location;
    for (int i = block.thread(); i < chunk.count * anchors; i += block.size()) {
      if (target[i] == kBackground) continue;
      const int location = i / anchors;
      atomic_or(&shared.special[location], 1u << (i - location * anchors) % 32);
      atomic_or(&shared.rows, uint64_t{1} << location);
    }
    block.sync();
  }

  struct Walk {  // down one pack of columns, `step` locations at a time
    const T* x;
    T* g;
    int first, step, count;
    int real;          // columns of the pack that are no padding
    uint32_t anchors;  // that it touches
  };
  // The main loop. The next pack is on its way while one is worked on. PADDED: some columns of the tile are padding.
  template <bool PADDED>
  FOVEA_HD float background_packs(const Walk& walk, const uint32_t* special, float weight, float (&sums)[W]) const {
    using Words = std::conditional_t<W == 1, Pack<T, 1>, PackWords<T, W>>;
    const auto load = [](const T* from) {
      if constexpr (W == 1)
        return load_pack<1>(from);
      else
        return Words::load(from);
    };
    const uint32_t stride = logits.pixel_stride, step = walk.step * stride;  // a chunk has under 2^31 elements
    const T* from = walk.x + walk.first * stride;
    T* to = walk.g + walk.first * stride;
    float loss = 0;
    Words next{};
    if (walk.first < walk.count) next = load(from);
#pragma unroll 1
    for (int i = walk.first; i < walk.count; i += walk.step, to += step) {
      const Words x = next;
      from += step;
      if (i + walk.step < walk.count) next = load(from);
      if ((special[i] & walk.anchors) != 0) continue;
      Pack<T, W> g;
#pragma unroll
      for (int k = 0; k < W; ++k) {
        const FocalTerm term = focal_term<GAMMA>(PADDED && k >= walk.real ? kNoLogit : float(x[k]), gamma);
        const float weighted = weight * term.power, d_loss_d_logit = weighted * term.inner;
        loss = math::fma(weighted, term.softplus, loss);
        sums[k] += d_loss_d_logit;
        g[k] = T(d_loss_d_logit);
      }
      store_pack(to, g);
    }
    return loss;
  }

  // A thread owns one column of the tile.
  FOVEA_HD float special_columns(int thread, Shared& shared) const {
    if (thread >= shared.width) return 0;
    const LocationChunk chunk = shared.chunk;
    const int column = shared.first + thread;
    const T* x = logits.row(chunk);
    T* g = gradient.row(chunk);
    const int32_t* target = targets_of(chunk);
    const Weights weights = weights_of(chunk.image);
    const int anchor = column / logits.columns, label = column - anchor * logits.columns;
    const uint32_t anchors = anchors_of_pack(column / W * W);
    float loss = 0;
    for (uint64_t rows = shared.rows; rows != 0; rows &= rows - 1) {
      const int i = lowest_bit(rows);
      if ((shared.special[i] & anchors) == 0) continue;
      const int64_t at = int64_t{i} * logits.pixel_stride + column;
      const int32_t t = column < logits.row_columns() ? target[i * logits.anchors_per_location + anchor] : kIgnored;
      if (t == kIgnored)
        g[at] = T(0.f);
      else
        loss += focal_element<GAMMA>(x[at], g[at], &shared.special_bias[thread], t == label,
                                     t == label ? weights.target : weights.other, gamma);
    }
    return loss;
  }

  // ---- CPU ----

  FOVEA_HD void rows_of_group(int group) const {
    float* sums = bias == nullptr ? nullptr : bias + int64_t{group} * logits.row_columns();
    if (sums != nullptr)
      for (int c = 0; c < logits.row_columns(); ++c) sums[c] = 0;
    for (int tile = 0; tile < plan.tiles; ++tile) losses[int64_t{group} * plan.tiles + tile] = 0;
    double loss = 0;
    for (int index = group * plan.chunks_per_group; index < last_chunk(group); ++index) {
      const LocationChunk chunk = logits.chunk(index, plan.locations);
      loss += by_location(chunk, targets_of(chunk), sums, weights_of(chunk.image));
      const int columns = logits.row_columns(), padding = logits.pixel_stride - columns;
      for (int i = 0; i < chunk.count; ++i)
        for (int c = 0; c < padding; ++c) gradient.row(chunk)[int64_t{i} * logits.pixel_stride + columns + c] = T(0.f);
    }
    losses[int64_t{group} * plan.tiles] = static_cast<float>(loss);
  }

  // Location after location, the columns between two special ones vectorized.
  FOVEA_HD double by_location(const LocationChunk& chunk, const int32_t* target, float* sums,
                              const Weights& weights) const {
    const int anchors = logits.anchors_per_location, columns = logits.columns;
    double loss = 0;
    for (int i = 0; i < chunk.count; ++i, target += anchors) {
      const T* x = logits.row(chunk) + int64_t{i} * logits.pixel_stride;
      T* g = gradient.row(chunk) + int64_t{i} * logits.pixel_stride;
      int first = 0;  // of the columns since the last special one
      for (int a = 0; a < anchors; ++a) {
        const int begin = a * columns, t = target[a];
        if (t == kBackground) continue;
        const int special = t == kIgnored ? begin : begin + t, next = t == kIgnored ? begin + columns : special + 1;
        loss += double{background(x, g, sums, first, special, weights.other)};
        float unused = 0, *sum = sums != nullptr ? sums + special : &unused;
        if (t == kIgnored)
          for (int c = begin; c < next; ++c) g[c] = T(0.f);
        else
          loss += double{focal_element<GAMMA>(x[special], g[special], sum, true, weights.target, gamma)};
        first = next;
      }
      loss += double{background(x, g, sums, first, anchors * columns, weights.other)};
    }
    return loss;
  }
  FOVEA_HD float background(const T* x, T* g, float* sums, int first, int last, float weight) const {
    return focal_background<GAMMA>(x + first, g + first, sums != nullptr ? sums + first : nullptr, last - first, weight,
                                   gamma);
  }
};

template <Gamma GAMMA, int W, class T>
void run(Queue& queue, const FocalLossArgs<T>& args) {
  const bool balanced = args.alpha >= 0.f;
  const FocalTiling plan = FocalTiling::make(args.logits, W);
  const int64_t groups = plan.groups, blocks = groups * plan.tiles;
  const int columns = args.bias_gradient != nullptr ? args.logits.row_columns() : 0;
  float *losses = static_cast<float*>(args.workspace), *bias = columns > 0 ? losses + blocks : nullptr;
  for_rows<kBlock>(
      queue, "focal_loss", blocks,
      FocalLoss<T, GAMMA, W>{args.logits, args.gradient, args.targets, args.scale, balanced ? args.alpha : 1.f,
                             balanced ? 1.f - args.alpha : 1.f, args.gamma, plan, bias, losses});
  sum_partials(queue,
               {bias, groups, columns, args.bias_gradient, args.accumulate_bias_gradient, losses, blocks, args.loss});
}

// Whether the logits can be moved in packs.
template <class T>
bool has_packs(const FocalLossArgs<T>& args) {
  bool aligned = args.logits.pixel_stride % kPackWidth<T> == 0;
  for (int level = 0; level < args.logits.levels; ++level)
    aligned = aligned && all_aligned(16, args.logits.data[level], args.gradient.data[level]);
  return aligned;
}

template <Gamma GAMMA, class T>
void run(Queue& queue, const FocalLossArgs<T>& args) {
  has_packs(args) ? run<GAMMA, kPackWidth<T>>(queue, args) : run<GAMMA, 1>(queue, args);
}

}  // namespace

template <class T>
size_t focal_loss_workspace(const FocalLossArgs<T>& args) {
  const auto floats = [&](const FocalTiling& plan) {
    return size_t(plan.groups) * (plan.tiles + args.logits.row_columns());
  };
  return sizeof(float) *
         std::max(floats(FocalTiling::make(args.logits, kPackWidth<T>)), floats(FocalTiling::make(args.logits, 1)));
}

template <class T>
void focal_loss(Queue& queue, const FocalLossArgs<T>& args) {
  require(args.gradient.pixel_stride == args.logits.pixel_stride, "the gradient's layout differs from the logits'");
  require(args.gamma >= 0.f, "the focal loss needs gamma >= 0");
  if (args.gamma == 2.f) return run<Gamma::Two>(queue, args);
  if (args.gamma == 0.f) return run<Gamma::Zero>(queue, args);
  run<Gamma::Any>(queue, args);
}

template size_t focal_loss_workspace(const FocalLossArgs<float>&);
template size_t focal_loss_workspace(const FocalLossArgs<bfloat16>&);
template void focal_loss(Queue&, const FocalLossArgs<float>&);
template void focal_loss(Queue&, const FocalLossArgs<bfloat16>&);

}  // namespace fovea::kernels
