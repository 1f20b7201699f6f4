// COCO's way to tell right detections from wrong ones (pycocotools' evaluateImg), for one category, at several IoU
// thresholds and ranges of size at once.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "tools/data/dataset.h"
#include "tools/eval/boxes.h"
#include "tools/eval/settings.h"

namespace fovea {

// Where an entry stands in its list, and in which image (numbered by ascending id).
struct Place {
  uint32_t image, at;
};

// One category's entries, sorted by image; within an image in the order of the list.
struct CategoryPlaces {
  std::vector<Place> objects, detections;
};

// Entries of other categories than the given are left out.
std::vector<CategoryPlaces> by_category(std::span<const Category> categories, std::span<const GroundTruth> objects,
                                        std::span<const Detection> detections);

// Calls `image(objects, detections)` with the places of each image that has any, in ascending order of ids.
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

// The detections of an image, best first; equal scores keep the order of the list.
void sort_by_score(std::vector<const Detection*>& detections);

constexpr size_t most_thresholds = 32;  // at once: one bit each

// A category's detections, image by image, best first.
struct MatchResult {
  struct Area {
    int64_t objects = 0;                     // not ignored
    std::vector<uint32_t> matched, ignored;  // one entry a detection: bit t speaks of the threshold t
  };
  std::vector<double> scores;
  std::vector<int> ranks;  // among the detections of the image, the best is 0
  std::vector<Area> areas;
};

// At most `limit` detections an image.
MatchResult match(const CategoryPlaces& places, std::span<const GroundTruth> objects,
                  std::span<const Detection> detections, std::span<const double> thresholds,
                  std::span<const AreaRange> areas, int limit);

}  // namespace fovea
