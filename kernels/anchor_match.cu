// Anchor matching, as torchvision's Matcher (Faster R-CNN, Ren et al. 2015, 3.1.2, with RetinaNet's thresholds, Lin et
// al. 2017, 4): an anchor takes the box of highest IoU where that is >= high; a box whose best anchors all lie under
// `high` gets those anchors as well (each of them then learns its own best box).
//
// Two passes over chunks of neighboring anchors. Neighbors lie close together, so that most boxes miss the bounds of
// a chunk and are skipped whole. Pass 1 finds the best box of each anchor and, by atomic maximum, the highest IoU of
// each box. Pass 2 computes the IoU of the few boxes under `high` again and restores the anchors that equal it: the
// same operations round alike, so equality is exact. Nothing of size anchors × boxes exists.
#include "kernels/anchor_match.h"

#include <bit>

#include "kernels/box_overlap.h"
#include "kernels/error.h"
#include "kernels/launch/atomic.h"
#include "kernels/launch/launch.h"
#include "kernels/launch/math.h"

namespace fovea::kernels {
namespace {

constexpr int kChunk = 256;       // anchors of one block
constexpr float kSmallest = 1.f;  // pixels: thinner boxes are not matched

struct AnchorChunk {
  float x1[kChunk], y1[kChunk], x2[kChunk], y2[kChunk];
  FOVEA_HD Box box(int i) const { return {x1[i], y1[i], x2[i], y2[i]}; }
};

// What both passes share. Anchor i of a chunk belongs to one thread throughout.
struct MatchPass {
  AnchorMatchArgs args;
  int chunks;        // an image
  int32_t* highest;  // [images, max_boxes] the bits of each box's highest IoU: floats >= 0 are ordered as their bits

  struct Place {
    int image, first, count;  // anchors of the chunk
    int64_t boxes;            // of the image's first box
  };
  FOVEA_HD Place place(int64_t row) const {
    const int image = static_cast<int>(row / chunks), first = static_cast<int>(row % chunks) * kChunk;
    const int left = args.anchor_count - first;
    return {image, first, left < kChunk ? left : kChunk, int64_t{image} * args.max_boxes};
  }
  FOVEA_HD bool is_crowd(int64_t box) const { return args.crowd != nullptr && args.crowd[box] != 0; }
  FOVEA_HD bool is_matchable(int64_t index, const Box& box) const {
    return !is_crowd(index) && box.x2 - box.x1 >= kSmallest && box.y2 - box.y1 >= kSmallest;
  }

  // Copies the chunk's anchors; returns the smallest box around all of them.
  template <class Block>
  FOVEA_HD Box load(Block& block, const Place& at, AnchorChunk& anchors) const {
    Box bounds = load_box(args.anchors, at.first);
    for (int i = block.thread(); i < at.count; i += block.size()) {
      const Box a = load_box(args.anchors, at.first + i);
      anchors.x1[i] = a.x1, anchors.y1[i] = a.y1, anchors.x2[i] = a.x2, anchors.y2[i] = a.y2;
      bounds = {a.x1 < bounds.x1 ? a.x1 : bounds.x1, a.y1 < bounds.y1 ? a.y1 : bounds.y1,
                a.x2 > bounds.x2 ? a.x2 : bounds.x2, a.y2 > bounds.y2 ? a.y2 : bounds.y2};
    }
    return {block.min(bounds.x1), block.min(bounds.y1), block.max(bounds.x2), block.max(bounds.y2)};
  }
};

// Leaves the best box of every anchor in `matches` and in `targets` what the thresholds alone decide.
struct FindBestBoxes : MatchPass {
  struct Shared {
    AnchorChunk anchors;
    float best[kChunk], now[kChunk];
    int32_t index[kChunk];
  };
  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t row, Shared& shared) const {
    const Place at = place(row);
    const Box bounds = load(block, at, shared.anchors);
    block.loop(at.count, [&](int i) {
      shared.best[i] = 0.f;
      shared.index[i] = kBackground;
    });
    for (int g = 0; g < args.counts[at.image]; ++g) {
      const Box box = load_box(args.truth, at.boxes + g);
      if (!overlap(box, bounds) || !is_matchable(at.boxes + g, box)) continue;
      const float box_area = area(box);
      block.loop(at.count, [&](int i) {
        const Box anchor = shared.anchors.box(i);
        const float now = iou(box, box_area, anchor, area(anchor));
        const bool better = now > shared.best[i];
        shared.best[i] = better ? now : shared.best[i];
        shared.index[i] = better ? g : shared.index[i];
        shared.now[i] = now;
      });
      if (!args.allow_low_quality) continue;
      float highest_here = 0.f;
#pragma omp simd reduction(max : highest_here)
      for (int i = block.thread(); i < at.count; i += block.size())
        highest_here = shared.now[i] > highest_here ? shared.now[i] : highest_here;
      highest_here = block.max(highest_here);
      if (block.thread() == 0 && highest_here > 0.f)
        atomic_max(highest + at.boxes + g, std::bit_cast<int32_t>(highest_here));
    }
    const int64_t out = int64_t{at.image} * args.anchor_count + at.first;
    for (int i = block.thread(); i < at.count; i += block.size()) {
      const float best = shared.best[i];
      args.matches[out + i] = shared.index[i];
      args.targets[out + i] = best >= args.high ? args.labels[at.boxes + shared.index[i]]
                              : best < args.low ? kBackground
                                                : kIgnored;
    }
  }
};

// Restores low-quality matches, applies crowd boxes and counts the positives.
struct FinishMatches : MatchPass {
  struct Shared {
    AnchorChunk anchors;
    int32_t restored[kChunk], covered[kChunk];
  };
  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t row, Shared& shared) const {
    const Place at = place(row);
    const Box bounds = load(block, at, shared.anchors);
    block.loop(at.count, [&](int i) { shared.restored[i] = shared.covered[i] = 0; });
    for (int g = 0; g < args.counts[at.image]; ++g) {
      const Box box = load_box(args.truth, at.boxes + g);
      if (!overlap(box, bounds)) continue;
      if (is_crowd(at.boxes + g))
        cover(block, at, box, shared);
      else if (args.allow_low_quality && is_matchable(at.boxes + g, box))
        restore(block, at, box, std::bit_cast<float>(highest[at.boxes + g]), shared);
    }
    const int64_t out = int64_t{at.image} * args.anchor_count + at.first;
    int32_t positives = 0;
    for (int i = block.thread(); i < at.count; i += block.size()) {
      int32_t& match = args.matches[out + i];
      int32_t target = args.targets[out + i];
      if (target < 0 && shared.restored[i]) target = args.labels[at.boxes + match];
      if (target == kBackground && shared.covered[i]) target = kIgnored;
      if (target < 0) match = target;
      args.targets[out + i] = target;
      positives += target >= 0;
    }
    positives = block.sum(positives);
    if (block.thread() == 0 && positives > 0) atomic_add(args.positives + at.image, positives);
  }

 private:
  template <class Block>
  FOVEA_HD void restore(Block& block, const Place& at, const Box& box, float highest_of_box, Shared& shared) const {
    if (!(highest_of_box > 0.f && highest_of_box < args.high)) return;  // at `high` and above they are positive anyway
    const float box_area = area(box);
    block.loop(at.count, [&](int i) {
      const Box anchor = shared.anchors.box(i);
      shared.restored[i] |= iou(box, box_area, anchor, area(anchor)) == highest_of_box;
    });
  }
  template <class Block>
  FOVEA_HD void cover(Block& block, const Place& at, const Box& crowd, Shared& shared) const {
    block.loop(at.count, [&](int i) {
      const Box anchor = shared.anchors.box(i);
      shared.covered[i] |= intersection(crowd, anchor) / area(anchor) >= args.low;
    });
  }
};

struct LossScale {
  bool per_image;
  int images;
  const int32_t* positives;
  float* scale;
  FOVEA_HD void operator()(int64_t image) const {
    int64_t count = 0;
    if (per_image)
      count = positives[image];
    else
      for (int i = 0; i < images; ++i) count += positives[i];
    const float divisor = static_cast<float>(count > 1 ? count : 1);
    scale[image] = 1.f / (per_image ? divisor * static_cast<float>(images) : divisor);
  }
};

}  // namespace

size_t anchor_match_workspace(const AnchorMatchArgs& args) {
  return size_t(args.images) * args.max_boxes * sizeof(int32_t);
}

void anchor_match(Queue& queue, const AnchorMatchArgs& args) {
  require(0.f < args.low && args.low <= args.high, "anchor matching needs 0 < low <= high");
  const int chunks = ceil_div(args.anchor_count, kChunk);
  const MatchPass pass{args, chunks, static_cast<int32_t*>(args.workspace)};
  queue.fill_zero(args.workspace, anchor_match_workspace(args));
  queue.fill_zero(args.positives, args.images * sizeof(int32_t));
  for_rows<kChunk>(queue, "find_best_boxes", int64_t{args.images} * chunks, FindBestBoxes{pass});
  for_rows<kChunk>(queue, "finish_matches", int64_t{args.images} * chunks, FinishMatches{pass});
}

void loss_scale(Queue& queue, bool per_image, int images, const int32_t* positives, float* scale) {
  for_each(queue, "loss_scale", images, LossScale{per_image, images, positives, scale});
}

}  // namespace fovea::kernels
