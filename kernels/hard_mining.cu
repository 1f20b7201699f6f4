// Hard example mining in two steps:
//
//   anchor_loss   every anchor: the cross entropy of its row → a key by which anchors are ordered (kernels/select.h)
//   minibatch     every image, OHEM: round after round the next kRound anchors by falling loss, sorted, and suppressed
//                 by those kept before (kernels/suppress.h), until enough are kept. So nothing but what is looked at is
//                 ever sorted, and the result is that of the whole list.
//   negatives     every image, SSD: a bound that as many negatives reach as are wanted
#include "kernels/hard_mining.h"

#include "kernels/device/scratch.h"
#include "kernels/error.h"
#include "kernels/focal_loss_terms.h"
#include "kernels/launch/launch.h"
#include "kernels/select.h"
#include "kernels/suppress.h"

namespace fovea::kernels {
namespace {

constexpr int kLossBlock = 256;
constexpr int kAnchorsOfBlock = 64;
constexpr int kMiningBlock = 512;
constexpr int kRound = 1024;  // anchors that are sorted at a time

// A warp takes an anchor, so that its row is read as it lies.
template <class T>
struct AnchorLoss {
  LevelView<const T> logits;
  const int32_t* targets;
  const float* class_weights;
  float target_weight, other_weight;
  int blocks;      // of an image
  uint64_t* keys;  // [images, anchors]; 0: ignored

  using Shared = NoShared;
  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t row, Shared&) const {
    const int image = static_cast<int>(row / blocks), first = static_cast<int>(row % blocks) * kAnchorsOfBlock;
    const int rest = logits.anchors() - first, count = rest < kAnchorsOfBlock ? rest : kAnchorsOfBlock;
    for (int i = block.warp(); i < count; i += block.size() / block.warp_size()) {
      const int anchor = first + i;
      const int64_t at = int64_t{image} * logits.anchors() + anchor;
      float loss = sum_of_row(logits.row(image, anchor), targets[at], block.lane(), block.warp_size());
      for (int mask = block.warp_size() / 2; mask > 0; mask /= 2) loss += block.shuffle_xor(loss, mask);
      if (block.lane() == 0) keys[at] = targets[at] == kIgnored ? 0 : candidate_key(loss, anchor);
    }
  }

 private:
  FOVEA_HD float sum_of_row(const T* x, int32_t target, int lane, int lanes) const {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int c = lane; c < logits.columns; c += lanes) {
      const float z = c == target ? -float(x[c]) : float(x[c]);
      sum += (c == target ? target_weight : other_weight) * focal_term<LossForm::CrossEntropy>(z, Focus{}).loss();
    }
    return class_weights != nullptr && target >= 0 ? class_weights[target] * sum : sum;
  }
};

// What both ways of mining go through.
struct RankedAnchors {
  const uint64_t* keys;    // [images, count]
  const int32_t* targets;  // [images, count]
  int count;               // anchors of an image

  FOVEA_HD bool is_positive(int64_t image, int anchor) const { return targets[image * count + anchor] >= 0; }
  // Calls f(key, anchor) for this thread's share of an image's anchors that are not ignored.
  template <class Block, class F>
  FOVEA_HD void each(Block& block, int64_t image, const F& f) const {
    for (int i = block.thread(); i < count; i += block.size())
      if (const uint64_t key = keys[image * count + i]; key != 0) f(key, i);
  }
};

struct MiningLimits {
  int minibatch, positives, negatives;  // kept, at most
  int ratio;                            // negatives of a positive; 0: any

  static MiningLimits make(int minibatch, int ratio) {
    const int positives = ratio > 0 ? minibatch / (1 + ratio) : minibatch;
    return {minibatch, positives, ratio > 0 ? minibatch - positives : minibatch, ratio};
  }
};

FOVEA_HD int negatives_for(int positives, int ratio) { return ratio * (positives > 1 ? positives : 1); }

struct MineMinibatch {
  RankedAnchors ranked;
  const float* anchors;  // [count, 4]
  MiningLimits limits;
  Suppress suppress;  // over the round's sorted list, [images, kRound]; its `keep` becomes the anchors' numbers
  uint64_t* sorted;   // [images, kRound]
  float* boxes;       // [images, kRound, 4] of `sorted`
  int32_t* mined;     // [images, count]

  struct Shared {
    Suppress::Shared suppress;
    SelectShared select;
    uint64_t keys[kRound];
    int32_t found, positives, negatives;
  };

  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t image, Shared& shared) const {
    block.loop(ranked.count, [&](int i) { mined[image * ranked.count + i] = kIgnored; });
    if (block.thread() == 0) shared.positives = shared.negatives = 0;
    block.sync();
    uint64_t upper = ~uint64_t{0};
    int kept = 0;
    while (upper > 1 && kept < limits.minibatch) {
      const uint64_t below = upper;
      const bool positives = shared.positives < limits.positives, negatives = shared.negatives < limits.negatives;
      const auto visit = [&](const auto& f) {
        ranked.each(block, image, [&](uint64_t key, int anchor) {
          if (key < below && (ranked.is_positive(image, anchor) ? positives : negatives)) f(key);
        });
      };
      int own = 0;
      visit([&](uint64_t) { ++own; });
      const int total = block.sum(own);
      if (total == 0) break;
      upper = total > kRound ? bound_of_best(block, shared.select, kRound, visit) : 1;
      const int count = total < kRound ? total : kRound;
      sort_round(block, image, count, upper, visit, shared);
      const int before = kept;
      kept = suppress.keep_of_list(block, image, count, kept, shared.suppress,
                                   [&](int place) { return admit(image, place, shared); });
      for (int k = before + block.thread(); k < kept; k += block.size()) {
        int32_t& keep = suppress.keep[image * suppress.limit + k];
        keep = static_cast<int32_t>(index_of(sorted[image * kRound + keep]));
      }
      block.sync();
    }
    if (block.thread() == 0) take(image, kept, shared.positives);
  }

 private:
  // The keys from `bound` on, sorted, with their boxes.
  template <class Block, class Visit>
  FOVEA_HD void sort_round(Block& block, int64_t image, int count, uint64_t bound, const Visit& visit,
                           Shared& shared) const {
    if (block.thread() == 0) shared.found = 0;
    block.sync();
    visit([&](uint64_t key) {
      if (key >= bound) shared.keys[atomic_add(&shared.found, 1)] = key;
    });
    block.sync();
    for (int i = block.thread(); i < count; i += block.size()) {
      const uint64_t key = shared.keys[i];
      int rank = 0;
#pragma omp simd reduction(+ : rank)
      for (int j = 0; j < count; ++j) rank += static_cast<int>(shared.keys[j] > key);
      sorted[image * kRound + rank] = key;
      store_box(boxes, image * kRound + rank, load_box(anchors, index_of(key)));
    }
    block.sync();
  }
  // By one thread.
  FOVEA_HD bool admit(int64_t image, int place, Shared& shared) const {
    const bool positive = ranked.is_positive(image, static_cast<int>(index_of(sorted[image * kRound + place])));
    int32_t& kept = positive ? shared.positives : shared.negatives;
    if (kept == (positive ? limits.positives : limits.negatives)) return false;
    ++kept;
    return true;
  }
  // By one thread: the kept anchors get their targets, of the negatives as many as the ratio grants.
  FOVEA_HD void take(int64_t image, int kept, int positives) const {
    int negatives = limits.ratio > 0 ? negatives_for(positives, limits.ratio) : kept;
    for (int k = 0; k < kept; ++k) {
      const int64_t at = image * ranked.count + suppress.keep[image * suppress.limit + k];
      const int32_t target = ranked.targets[at];
      if (target >= 0 || negatives-- > 0) mined[at] = target;
    }
  }
};

struct MineNegatives {
  RankedAnchors ranked;
  int ratio;
  int32_t* mined;  // [images, count]

  using Shared = SelectShared;
  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t image, Shared& shared) const {
    const auto visit = [&](const auto& f) {
      ranked.each(block, image, [&](uint64_t key, int anchor) {
        if (!ranked.is_positive(image, anchor)) f(key);
      });
    };
    int own = 0, own_negatives = 0;
    ranked.each(block, image,
                [&](uint64_t, int anchor) { own += static_cast<int>(ranked.is_positive(image, anchor)); });
    visit([&](uint64_t) { ++own_negatives; });
    const int wanted = negatives_for(block.sum(own), ratio), negatives = block.sum(own_negatives);
    const uint64_t bound = negatives > wanted ? bound_of_best(block, shared, wanted, visit) : 1;
    for (int i = block.thread(); i < ranked.count; i += block.size()) {
      const int64_t at = image * ranked.count + i;
      const int32_t target = ranked.targets[at];
      mined[at] = target >= 0 || ranked.keys[at] >= bound ? target : kIgnored;
    }
  }
};

template <class T>
struct MiningBuffers {
  Scratch scratch;
  uint64_t *keys = nullptr, *sorted = nullptr;
  float *boxes = nullptr, *kept = nullptr;
  int32_t* keep = nullptr;

  MiningBuffers(const HardMiningArgs<T>& args, void* workspace) {
    const size_t images = args.logits.images, rounds = args.minibatch > 0 ? images * kRound : 0;
    const size_t limit = images * args.minibatch;
    const auto keys_part = scratch.add<uint64_t>(images * args.logits.anchors());
    const auto sorted_part = scratch.add<uint64_t>(rounds);
    const auto boxes_part = scratch.add<float>(rounds * 4), kept_part = scratch.add<float>(limit * 6);
    const auto keep_part = scratch.add<int32_t>(limit);
    if (workspace == nullptr) return;
    scratch.place(workspace);
    keys = keys_part(scratch);
    sorted = sorted_part(scratch);
    boxes = boxes_part(scratch);
    kept = kept_part(scratch);
    keep = keep_part(scratch);
  }
};

}  // namespace

template <class T>
size_t hard_mining_workspace(const HardMiningArgs<T>& args) {
  return MiningBuffers<T>(args, nullptr).scratch.bytes();
}

template <class T>
void hard_mining(Queue& queue, const HardMiningArgs<T>& args) {
  require(args.minibatch > 0 || args.negatives_per_positive > 0, "mining needs a minibatch or a ratio");
  if (args.logits.images == 0) return;
  const int64_t images = args.logits.images;
  const MiningBuffers<T> b(args, args.workspace);
  const bool balanced = args.alpha >= 0.f;
  const int blocks = ceil_div(args.logits.anchors(), kAnchorsOfBlock);
  for_rows<kLossBlock>(queue, "anchor_loss", images * blocks,
                       AnchorLoss<T>{args.logits, args.targets, args.class_weights, balanced ? args.alpha : 1.f,
                                     balanced ? 1.f - args.alpha : 1.f, blocks, b.keys});
  const RankedAnchors ranked{b.keys, args.targets, args.logits.anchors()};
  if (args.minibatch == 0)
    return for_rows<kMiningBlock>(queue, "mine_negatives", images,
                                  MineNegatives{ranked, args.negatives_per_positive, args.mined});
  const Suppress suppress{b.boxes, nullptr,        nullptr, kRound, args.nms_threshold,
                          true,    args.minibatch, b.kept,  b.keep, nullptr};
  for_rows<kMiningBlock>(
      queue, "mine_minibatch", images,
      MineMinibatch{ranked, args.anchors, MiningLimits::make(args.minibatch, args.negatives_per_positive), suppress,
                    b.sorted, b.boxes, args.mined});
}

template size_t hard_mining_workspace(const HardMiningArgs<float>&);
template size_t hard_mining_workspace(const HardMiningArgs<bfloat16>&);
template void hard_mining(Queue&, const HardMiningArgs<float>&);
template void hard_mining(Queue&, const HardMiningArgs<bfloat16>&);

}  // namespace fovea::kernels
