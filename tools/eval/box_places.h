// Which boxes of a table are of one class, image by image.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "tools/eval/box_table.h"

namespace fovea {

// The numbers of ids: their places in a list. Of an id that is there twice, the first.
class IdIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  explicit IdIndex(std::span<const int64_t> ids);
  uint32_t find(int64_t id) const {
    for (size_t slot = first_slot(id);; slot = (slot + 1) & (slots_.size() - 1))
      if (slots_[slot].number == kNone || slots_[slot].id == id) return slots_[slot].number;
  }

 private:
  struct Slot {
    int64_t id = 0;
    uint32_t number = kNone;
  };
  size_t first_slot(int64_t id) const { return static_cast<uint64_t>(id) * 0x9E3779B97F4A7C15 >> shift_; }
  std::vector<Slot> slots_;  // a power of two, at least half of them free
  int shift_;
};

// The ids in these columns, in ascending order.
std::vector<int64_t> distinct_ids(size_t count, const Column<int64_t>& ids, size_t other_count,
                                  const Column<int64_t>& other_ids);

// Where an entry stands in its table, the number of its image, and what is asked for most: so that few boxes need be
// gathered from all over the table.
struct Place {
  uint32_t image, at;
  double score, area;  // of an object the score is 0
};

struct Places {
  UntouchedVector<Place> entries;  // by class, then by image, then as in the table
  std::vector<uint32_t> first;     // [classes + 1]: where those of a class begin

  std::span<const Place> of(size_t label) const {
    return {entries.data() + first[label], entries.data() + first[label + 1]};
  }
};

// Entries of other images and classes are left out. The same for any number of workers. Throws Error(Usage) where a box
// that is not left out has a coordinate that is not finite, or a score that is no number.
Places places_of(const BoxTable& table, const IdIndex& images, std::span<const int64_t> categories, size_t workers);

// All classes as one: in an image those of the first class stand before those of the second.
Places as_one_class(const Places& places, size_t images);

// Calls `image(objects, detections)` with the places of each image that has any, in ascending order.
template <class Image>
void for_each_image(std::span<const Place> objects, std::span<const Place> detections, Image&& image) {
  size_t g = 0, d = 0;
  while (g < objects.size() || d < detections.size()) {
    const uint32_t here = std::min(g < objects.size() ? objects[g].image : UINT32_MAX,
                                   d < detections.size() ? detections[d].image : UINT32_MAX);
    const size_t first_object = g, first_detection = d;
    while (g < objects.size() && objects[g].image == here) ++g;
    while (d < detections.size() && detections[d].image == here) ++d;
    image(objects.subspan(first_object, g - first_object), detections.subspan(first_detection, d - first_detection));
  }
}

}  // namespace fovea
