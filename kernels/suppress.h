// Greedy non-maximum suppression of boxes sorted by falling score, one block an image. Boxes come in tiles of 64: each
// is compared with the boxes kept so far and with its own tile by all threads, then one thread walks through the tile's
// bits. So only kept boxes are ever compared with later ones, and all ends when enough are kept.
#pragma once
#include "kernels/box_overlap.h"
#include "kernels/launch/atomic.h"

namespace fovea::kernels {

struct Suppress {
  static constexpr int kTile = 64;

  const float* boxes;     // [images, capacity, 4]
  const int32_t* labels;  // [images, capacity], or nullptr: all the same
  const int32_t* counts;  // [images]
  int capacity;
  float threshold;
  bool class_agnostic;
  int limit;            // boxes to keep
  float* kept;          // [images, 6, limit] scratch: x1, y1, x2, y2, area, label of the boxes kept
  int32_t* keep;        // [images, limit] their places in the sorted list
  int32_t* kept_count;  // [images]

  struct Shared {
    Box box[kTile];
    float area[kTile], label[kTile];
    uint64_t suppressed_by[kTile];  // bit j of i: i suppresses j
    uint64_t suppressed;            // bit j: a box kept earlier suppresses j
    int32_t count;
  };

  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t image, Shared& shared) const {
    const int count = keep_of_list(block, image, counts[image], 0, shared, [](int) { return true; });
    if (block.thread() == 0) kept_count[image] = count;
  }

  // Goes down the image's sorted list of `n` boxes, with `count` boxes kept before; returns how many are kept in all.
  // admit(place): whether a box that nothing suppresses is kept; one thread asks, in the list's order.
  template <class Block, class Admit>
  FOVEA_HD int keep_of_list(Block& block, int64_t image, int n, int count, Shared& shared, const Admit& admit) const {
    float* kept_here = kept + image * 6 * limit;
    for (int first = 0; first < n && count < limit; first += kTile) {
      const int width = n - first < kTile ? n - first : kTile;
      for (int i = block.thread(); i < width; i += block.size()) {
        const int64_t at = image * capacity + first + i;
        shared.box[i] = load_box(boxes, at);
        shared.area[i] = area(shared.box[i]);
        shared.label[i] = labels != nullptr ? static_cast<float>(labels[at]) : 0.f;  // exact under 2^24
        shared.suppressed_by[i] = 0;
      }
      if (block.thread() == 0) shared.suppressed = 0;
      block.sync();
      for (int i = block.warp(); i < width; i += block.size() / block.warp_size()) {
        compare_with_kept(block, i, kept_here, count, shared);
        compare_with_tile(block, i, width, shared);
      }
      block.sync();
      if (block.thread() == 0) shared.count = keep_of_tile(image, first, width, count, kept_here, shared, admit);
      block.sync();
      count = shared.count;
    }
    return count;
  }

 private:
  FOVEA_HD bool suppresses(const Box& a, float area_a, float label_a, const Box& b, float area_b, float label_b) const {
    return (class_agnostic | (label_a == label_b)) & (iou(a, area_a, b, area_b) > threshold);
  }
  template <class Block>
  FOVEA_HD void compare_with_kept(Block& block, int i, const float* kept_here, int count, Shared& shared) const {
    const Box box = shared.box[i];
    const float box_area = shared.area[i], label = shared.label[i];
    const float *x1 = kept_here, *y1 = x1 + limit, *x2 = y1 + limit, *y2 = x2 + limit, *areas = y2 + limit;
    const float* kept_labels = areas + limit;
    int hit = 0;
#pragma omp simd reduction(| : hit)
    for (int j = block.lane(); j < count; j += block.warp_size())
      hit |= suppresses({x1[j], y1[j], x2[j], y2[j]}, areas[j], kept_labels[j], box, box_area, label);
    if (hit != 0) atomic_or(&shared.suppressed, uint64_t{1} << i);
  }
  template <class Block>
  FOVEA_HD void compare_with_tile(Block& block, int i, int width, Shared& shared) const {
    uint64_t bits = 0;
    for (int j = i + 1 + block.lane(); j < width; j += block.warp_size())
      bits |= uint64_t{suppresses(shared.box[i], shared.area[i], shared.label[i], shared.box[j], shared.area[j],
                                  shared.label[j])}
              << j;
    if (bits != 0) atomic_or(&shared.suppressed_by[i], bits);
  }
  // By one thread: the greedy walk. Returns how many are kept in all.
  template <class Admit>
  FOVEA_HD int keep_of_tile(int64_t image, int first, int width, int count, float* kept_here, Shared& shared,
                            const Admit& admit) const {
    uint64_t suppressed = shared.suppressed;
    for (int i = 0; i < width && count < limit; ++i) {
      if ((suppressed >> i & 1) != 0 || !admit(first + i)) continue;
      suppressed |= shared.suppressed_by[i];
      const float values[] = {shared.box[i].x1, shared.box[i].y1, shared.box[i].x2,
                              shared.box[i].y2, shared.area[i],   shared.label[i]};
      for (int k = 0; k < 6; ++k) kept_here[k * limit + count] = values[k];
      keep[image * limit + count++] = first + i;
    }
    return count;
  }
};

}  // namespace fovea::kernels
