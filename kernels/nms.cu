// Detection as torchvision's RetinaNet.postprocess_detections, batched, with fixed shapes and counts on the device:
//
//   scan       every chunk of locations: logits over the threshold, at most the best k of the chunk → a list a level
//   top        every level: the best k of its list → one list an image
//   sort       256 candidates: their ranks by counting the better ones; decoded and clipped to their places by score
//   suppress   every image: greedy suppression down the sorted list (kernels/suppress.h)
//   write      every slot of the output
//
// σ is monotone, so logits are compared and only the kept ones become scores. Candidates are known by their keys
// (kernels/select.h), which all differ: whatever the order of arrival, the result is the same.
#include "kernels/nms.h"

#include <algorithm>
#include <cmath>

#include "kernels/candidates.h"
#include "kernels/device/scratch.h"
#include "kernels/error.h"
#include "kernels/launch/launch.h"
#include "kernels/launch/math.h"
#include "kernels/suppress.h"

namespace fovea::kernels {
namespace {

constexpr int kRankBlock = 256;

// Sorted lists, one an image.
struct SortedBoxes {
  uint64_t* keys = nullptr;   // [images, capacity]
  float* boxes = nullptr;     // [images, capacity, 4]
  int32_t* labels = nullptr;  // [images, capacity]
};

// One block ranks kRankBlock candidates of an image; each thread of the GPU counts the better ones of its own, which
// pass by in shared memory.  Source: box(image, index), label(index) of a candidate.
template <class Source>
struct SortByRank {
  Source source;
  const uint64_t* keys;
  const int32_t* counts;
  int capacity, groups;  // of an image
  SortedBoxes sorted;

  struct Shared {
    uint64_t keys[kRankBlock];
  };
  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t row, Shared& shared) const {
    const int64_t image = row / groups, list = image * capacity;
    const int first = static_cast<int>(row % groups) * kRankBlock, count = counts[image];
    if (first >= count) return;
    if constexpr (Block::size() == 1) {
      const int last = first + kRankBlock < count ? first + kRankBlock : count;
      for (int i = first; i < last; ++i) {
        const uint64_t key = keys[list + i];
        place(image, key, block.sum(count, [&](int j) { return static_cast<int>(keys[list + j] > key); }));
      }
    } else {
      const int own = first + block.thread();
      const uint64_t key = own < count ? keys[list + own] : 0;
      int rank = 0;
      for (int begin = 0; begin < count; begin += kRankBlock) {
        const int other = begin + block.thread();
        block.sync();
        shared.keys[block.thread()] = other < count ? keys[list + other] : 0;
        block.sync();
#pragma unroll 8
        for (int i = 0; i < kRankBlock; ++i) rank += shared.keys[i] > key;
      }
      if (own < count) place(image, key, rank);
    }
  }

 private:
  FOVEA_HD void place(int64_t image, uint64_t key, int rank) const {
    const int64_t to = image * capacity + rank;
    sorted.keys[to] = key;
    sorted.labels[to] = source.label(index_of(key));
    store_box(sorted.boxes, to, source.box(static_cast<int>(image), index_of(key)));
  }
};

template <class Source>
void sort_by_rank(Queue& queue, int64_t images, int capacity, const Source& source, const uint64_t* keys,
                  const int32_t* counts, const SortedBoxes& sorted) {
  const int groups = ceil_div(capacity, kRankBlock);
  for_rows<kRankBlock>(queue, "sort_by_rank", images * groups,
                       SortByRank<Source>{source, keys, counts, capacity, groups, sorted});
}

template <class T>
struct HeadSource {
  LevelView<const T> deltas;
  const float *anchors, *image_sizes;
  BoxCoder coder;
  int classes;

  FOVEA_HD int32_t label(uint32_t index) const { return static_cast<int32_t>(index % classes); }
  FOVEA_HD Box box(int image, uint32_t index) const {
    const int anchor = static_cast<int>(index / classes);
    const T* d = deltas.row(image, anchor);
    const Box b = coder.decode(load_box(anchors, anchor), Deltas{float(d[0]), float(d[1]), float(d[2]), float(d[3])});
    const float height = image_sizes[image * 2], width = image_sizes[image * 2 + 1];
    return {clipped(b.x1, width), clipped(b.y1, height), clipped(b.x2, width), clipped(b.y2, height)};
  }

 private:
  FOVEA_HD static float clipped(float x, float limit) { return x < 0.f ? 0.f : x > limit ? limit : x; }
};

template <class T>
struct WriteDetections {
  DetectArgs<T> args;
  SortedBoxes sorted;
  int capacity;
  const int32_t* keep;

  FOVEA_HD void operator()(int64_t image, int64_t slot) const {
    const int64_t out = image * args.detections_per_image + slot;
    const bool filled = slot < args.counts[image];
    Box box{0.f, 0.f, 0.f, 0.f};
    const int64_t from = filled ? image * capacity + keep[out] : 0;
    if (filled) {
      box = load_box(sorted.boxes, from);
      if (args.image_scale != nullptr) {
        const float sy = args.image_scale[image * 2], sx = args.image_scale[image * 2 + 1];
        box = {box.x1 * sx, box.y1 * sy, box.x2 * sx, box.y2 * sy};
      }
    }
    store_box(args.boxes, out, box);
    args.scores[out] = filled ? math::sigmoid(score_of(sorted.keys[from])) : 0.f;
    args.labels[out] = filled ? sorted.labels[from] : -1;
  }
};

// The greatest float x with σ(x) <= threshold: σ(logit) > threshold exactly where logit > x.
float threshold_logit(double threshold) {
  if (threshold <= 0) return -std::numeric_limits<float>::infinity();
  if (threshold >= 1) return std::numeric_limits<float>::infinity();
  const double exact = std::log(threshold / (1 - threshold));
  const float nearest = static_cast<float>(exact);
  return double{nearest} > exact ? std::nextafter(nearest, -std::numeric_limits<float>::infinity()) : nearest;
}

// Everything detect keeps in its workspace.
template <class T>
struct DetectBuffers {
  Scratch scratch;
  CandidateLists lists;
  SortedBoxes sorted;
  float* kept = nullptr;
  int32_t* keep = nullptr;

  DetectBuffers(const DetectArgs<T>& args, void* workspace) {
    const auto& logits = args.logits;
    const size_t images = logits.images, limit = args.detections_per_image;
    lists.levels = logits.levels;
    lists.per_level = args.candidates_per_level;
    for (int l = 0; l < logits.levels; ++l) {
      const int64_t elements = int64_t{logits.locations(l)} * logits.row_columns(), k = args.candidates_per_level;
      const int64_t chunks = ceil_div(logits.locations(l), kScanLocations);
      lists.first[l + 1] = lists.first[l] + std::min(elements, chunks * k);
      lists.capacity += static_cast<int>(std::min(elements, k));
    }
    const size_t slots = images * lists.capacity;
    const auto counts = scratch.add<int32_t>(images * (lists.levels + 1));
    const auto scanned = scratch.add<uint64_t>(images * lists.first[lists.levels]);
    const auto best = scratch.add<uint64_t>(slots), keys = scratch.add<uint64_t>(slots);
    const auto boxes = scratch.add<float>(slots * 4), kept_part = scratch.add<float>(images * limit * 6);
    const auto labels = scratch.add<int32_t>(slots), keep_part = scratch.add<int32_t>(images * limit);
    if (workspace == nullptr) return;
    scratch.place(workspace);
    lists.scanned = scanned(scratch);
    lists.best_counts = counts(scratch);
    lists.scanned_counts = lists.best_counts + images;
    lists.best = best(scratch);
    sorted = {keys(scratch), boxes(scratch), labels(scratch)};
    kept = kept_part(scratch);
    keep = keep_part(scratch);
  }
};

}  // namespace

template <class T>
size_t detect_workspace(const DetectArgs<T>& args) {
  return DetectBuffers<T>(args, nullptr).scratch.bytes();
}

template <class T>
void detect(Queue& queue, const DetectArgs<T>& args) {
  if (args.logits.images == 0) return;
  require(args.candidates_per_level > 0 && args.detections_per_image > 0, "detection must keep at least one box");
  require(int64_t{args.logits.anchors()} * args.logits.columns < int64_t{1} << 31, "an image has 2^31 logits or more");
  const DetectBuffers<T> b(args, args.workspace);
  const int64_t images = args.logits.images;
  queue.fill_zero(b.lists.best_counts, images * (b.lists.levels + 1) * sizeof(int32_t));
  const float threshold = threshold_logit(args.score_threshold);
  const int64_t chunks = images * args.logits.chunks(kScanLocations);
  bool packs = args.logits.pixel_stride % kPackWidth<T> == 0;
  for (int level = 0; level < args.logits.levels; ++level) packs = packs && all_aligned(16, args.logits.data[level]);
  if (packs)
    for_rows<256>(queue, "scan_logits", chunks,
                  ScanLogits<T, kPackWidth<T>>{args.logits, threshold, args.first_class, b.lists});
  else
    for_rows<256>(queue, "scan_logits", chunks, ScanLogits<T, 1>{args.logits, threshold, args.first_class, b.lists});
  for_rows<256>(queue, "top_of_level", images * b.lists.levels, TopOfLevel{b.lists});
  const HeadSource<T> source{args.deltas, args.anchors, args.image_sizes, args.coder, args.logits.columns};
  const int capacity = b.lists.capacity;
  sort_by_rank(queue, images, capacity, source, b.lists.best, b.lists.best_counts, b.sorted);
  for_rows<256>(queue, "suppress", images,
                Suppress{b.sorted.boxes, b.sorted.labels, b.lists.best_counts, capacity, args.nms_threshold,
                         args.class_agnostic, args.detections_per_image, b.kept, b.keep, args.counts});
  for_each_2d(queue, "write_detections", images, args.detections_per_image,
              WriteDetections<T>{args, b.sorted, capacity, b.keep});
}

template size_t detect_workspace(const DetectArgs<float>&);
template size_t detect_workspace(const DetectArgs<bfloat16>&);
template void detect(Queue&, const DetectArgs<float>&);
template void detect(Queue&, const DetectArgs<bfloat16>&);

namespace {

struct PlainSource {
  const float* boxes;
  const int32_t* classes;
  FOVEA_HD int32_t label(uint32_t index) const { return classes != nullptr ? classes[index] : 0; }
  FOVEA_HD Box box(int, uint32_t index) const { return load_box(boxes, index); }
};

struct KeysOfScores {
  const float* scores;
  uint64_t* keys;
  int32_t *count, n;
  FOVEA_HD void operator()(int64_t i) const {
    keys[i] = candidate_key(scores[i], static_cast<uint32_t>(i));
    if (i == 0) *count = n;
  }
};

struct IndicesOfKept {
  const uint64_t* sorted_keys;
  const int32_t *count, *places;
  int32_t* keep;
  FOVEA_HD void operator()(int64_t i) const {
    if (i < *count) keep[i] = static_cast<int32_t>(index_of(sorted_keys[places[i]]));
  }
};

struct NmsBuffers {
  Scratch scratch;
  uint64_t* keys = nullptr;
  SortedBoxes sorted;
  float* kept = nullptr;
  int32_t *places = nullptr, *candidates = nullptr;

  NmsBuffers(size_t n, void* workspace) {
    const auto keys_part = scratch.add<uint64_t>(n), sorted_part = scratch.add<uint64_t>(n);
    const auto boxes = scratch.add<float>(n * 4), kept_part = scratch.add<float>(n * 6);
    const auto labels = scratch.add<int32_t>(n), places_part = scratch.add<int32_t>(n), one = scratch.add<int32_t>(1);
    if (workspace == nullptr) return;
    scratch.place(workspace);
    keys = keys_part(scratch);
    sorted = {sorted_part(scratch), boxes(scratch), labels(scratch)};
    kept = kept_part(scratch);
    places = places_part(scratch);
    candidates = one(scratch);
  }
};

}  // namespace

size_t nms_workspace(int n) { return NmsBuffers(n, nullptr).scratch.bytes(); }

void nms(Queue& queue, const NmsArgs& args) {
  if (args.n == 0) return queue.fill_zero(args.count, sizeof(int32_t));
  const NmsBuffers b(args.n, args.workspace);
  for_each(queue, "keys_of_scores", args.n, KeysOfScores{args.scores, b.keys, b.candidates, args.n});
  sort_by_rank(queue, 1, args.n, PlainSource{args.boxes, args.classes}, b.keys, b.candidates, b.sorted);
  for_rows<256>(queue, "suppress", 1,
                Suppress{b.sorted.boxes, b.sorted.labels, b.candidates, args.n, args.threshold, args.classes == nullptr,
                         args.n, b.kept, b.places, args.count});
  for_each(queue, "indices_of_kept", args.n, IndicesOfKept{b.sorted.keys, args.count, b.places, args.keep});
}

}  // namespace fovea::kernels
